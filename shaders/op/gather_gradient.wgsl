// dtable[n] = Σ dy[m] over the m with index[m] = n, in order of m: no atomics, the same bits each time.
// f64 twin: src/op/gather/gradient.rs. dtable [rows, width], index [M], dy [M, width]; one invocation an element of dtable;
// `first` is the first row of this launch.  Uses: lib/grid.wgsl

struct Params {
    count: u32,
    first: u32,
    rows: u32,
    width: u32,
    picks: u32,
    index_stride: u32,
    dy_stride: u32,
    dtable_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dtable: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn gather_gradient(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i < params.count {
        let row = params.first + i / params.width;
        var total = 0.0;
        for (var m = 0u; m < params.picks; m++) {
            if min(index[id.z * params.index_stride + m], params.rows - 1u) == row {
                total += dy[id.z * params.dy_stride + m * params.width + i % params.width];
            }
        }
        dtable[id.z * params.dtable_stride + i] = total;
    }
}

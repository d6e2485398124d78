// y[m] = table[index[m]], whole rows; an index beyond the last row takes the last. f64 twin: src/op/gather.rs.
// table [rows, width], index [M], y [M, width]; one invocation an element of y. This launch binds `here` rows of the table
// from `first` on and leaves the other indices to others.  Uses: lib/grid.wgsl

struct Params {
    count: u32,
    rows: u32,
    first: u32,
    here: u32,
    width: u32,
    table_stride: u32,
    index_stride: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> table: array<f32>;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn gather(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i < params.count {
        let row = min(index[id.z * params.index_stride + i / params.width], params.rows - 1u);
        // Wraps for rows before the first.
        let here = row - params.first;
        if here < params.here {
            let source = id.z * params.table_stride + here * params.width;
            y[id.z * params.y_stride + i] = table[source + i % params.width];
        }
    }
}

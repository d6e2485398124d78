// mean and biased variance of sets from those of their parts. f64 twin: src/op/moments.rs, which has one part.
// parts is [parts, 2, sets]: means and Σ (x − mean)² of `chunk` elements each, the last of what is left of `len`. One row of the grid a
// set; two passes as over elements, each part weighing what it counts.  Uses: lib/row_invocation.wgsl or lib/row_workgroup.wgsl

struct Params {
    sets: u32,
    len: u32,
    chunk: u32,
    parts: u32,
    part_stride: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn weight(p: u32) -> f32 {
    return f32(min(params.chunk, params.len - p * params.chunk));
}

@compute @workgroup_size(WORKGROUP)
fn moments_merge(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let own = row_index(id, group, groups);
    let lane = lane_index(local);
    let live = own < params.sets;
    let base = id.z * params.part_stride + own;
    let step = 2u * params.sets;
    let end = select(0u, params.parts, live);
    let n = f32(params.len);

    var total = 0.0;
    for (var p = lane; p < end; p += LANES) {
        total += weight(p) * parts[base + p * step];
    }
    let near = fold_sum(lane, total) / n;

    var off = 0.0;
    var squares = 0.0;
    for (var p = lane; p < end; p += LANES) {
        let t = parts[base + p * step] - near;
        off += weight(p) * t;
        squares += parts[base + p * step + params.sets] + weight(p) * t * t;
    }
    off = fold_sum(lane, off);
    squares = fold_sum(lane, squares);
    if live && lane == 0u {
        let to = id.z * params.y_stride + own;
        y[to] = near + off / n;
        y[to + params.sets] = abs(squares - off * off / n) / n;
    }
}

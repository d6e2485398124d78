// y = ½ λ ‖w‖², in two launches: sums of squares of chunks, then their sum times ½ λ. f64 twin: src/op/penalty.rs.
// squares: one row of the grid a chunk of w; finish: one row in all.  Uses: lib/row_invocation.wgsl or lib/row_workgroup.wgsl

struct Params {
    rows: u32,
    len: u32,
    chunk: u32,
    x_stride: u32,
    lambda_stride: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> lambda: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn squares(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = row_index(id, group, groups);
    let lane = lane_index(local);
    let live = row < params.rows;
    let end = select(0u, min((row + 1u) * params.chunk, params.len), live);
    var total = 0.0;
    for (var k = row * params.chunk + lane; k < end; k += LANES) {
        let w = x[id.z * params.x_stride + k];
        total += w * w;
    }
    total = fold_sum(lane, total);
    if live && lane == 0u {
        y[id.z * params.y_stride + row] = total;
    }
}

@compute @workgroup_size(WORKGROUP)
fn finish(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let live = row_index(id, group, groups) == 0u;
    let lane = lane_index(local);
    let end = select(0u, params.len, live);
    var total = 0.0;
    for (var k = lane; k < end; k += LANES) {
        total += x[id.z * params.x_stride + k];
    }
    total = fold_sum(lane, total);
    if live && lane == 0u {
        y[id.z * params.y_stride] = 0.5 * lambda[id.z * params.lambda_stride] * total;
    }
}

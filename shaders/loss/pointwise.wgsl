// Partial sums of the element-wise loss ℓ(x, t), one a chunk; op/reduce.wgsl then makes their mean.
// `loss_value` comes from the loss's own file. f64 twin: src/loss/pointwise.rs. One row of the grid a chunk.
// Uses: loss/<name>.wgsl, lib/row_invocation.wgsl or lib/row_workgroup.wgsl

struct Params {
    rows: u32,
    len: u32,
    chunk: u32,
    x_stride: u32,
    t_stride: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> t: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn partial_sums(
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
        total += loss_value(x[id.z * params.x_stride + k], t[id.z * params.t_stride + k]);
    }
    total = fold_sum(lane, total);
    if live && lane == 0u {
        y[id.z * params.y_stride + row] = total;
    }
}

// dx = dy / n · dℓ/dx, dy a scalar. `loss_slope` comes from the loss's own file. f64 twin: src/loss/pointwise.rs.
// One invocation an element.  Uses: loss/<name>.wgsl, lib/grid.wgsl

struct Params {
    len: u32,
    factor: f32,
    x_stride: u32,
    t_stride: u32,
    dy_stride: u32,
    dx_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> t: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn pointwise_gradient(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i < params.len {
        let share = params.factor * dy[id.z * params.dy_stride];
        dx[id.z * params.dx_stride + i] = share * loss_slope(x[id.z * params.x_stride + i], t[id.z * params.t_stride + i]);
    }
}

// dw = λ w dy, dy a scalar. f64 twin: src/op/penalty/gradient.rs. One invocation an element.  Uses: lib/grid.wgsl

struct Params {
    len: u32,
    w_stride: u32,
    lambda_stride: u32,
    dy_stride: u32,
    dw_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> lambda: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dw: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn l2_gradient(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i < params.len {
        let factor = lambda[id.z * params.lambda_stride] * dy[id.z * params.dy_stride];
        dw[id.z * params.dw_stride + i] = factor * w[id.z * params.w_stride + i];
    }
}

// y = a h(b), h(b) = min(max(b/6 + 1/2, 0), 1), element by element; y is also ∂L/∂a where a is dy.
// f64 twin: examples/custom_op.rs.  Uses: lib/grid.wgsl

struct Params {
    len: u32,
    a_stride: u32,
    b_stride: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn hard_gate(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i < params.len {
        let open = b[id.z * params.b_stride + i] * (1.0 / 6.0) + 0.5;
        y[id.z * params.y_stride + i] = a[id.z * params.a_stride + i] * clamp(open, 0.0, 1.0);
    }
}

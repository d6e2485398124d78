// y = f(a + b), element by element, all of one shape: gradients that meet, and what comes back from a residual block with its activation.
// f64 twins: src/graph/accumulate.rs, src/op/binary.rs, src/op/unary.rs.  Uses: lib/grid.wgsl, op/<activation>.wgsl for `f`

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
fn accumulate(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    let member = id.z;
    if i < params.len {
        y[member * params.y_stride + i] = f(a[member * params.a_stride + i] + b[member * params.b_stride + i]);
    }
}

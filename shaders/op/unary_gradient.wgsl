// dx = f′ dy, element by element; `df` takes the function's input or output, as its own file says.
// f64 twin: src/op/unary.rs.  Uses: lib/grid.wgsl

struct Params {
    len: u32,
    s_stride: u32,
    dy_stride: u32,
    dx_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> s: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn unary_gradient(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i < params.len {
        let slope = df(s[id.z * params.s_stride + i]);
        dx[id.z * params.dx_stride + i] = dy[id.z * params.dy_stride + i] * slope;
    }
}

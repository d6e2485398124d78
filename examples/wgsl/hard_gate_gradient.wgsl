// db = dy a / 6 where |b| < 3, else 0, element by element. f64 twin: examples/custom_op.rs.  Uses: lib/grid.wgsl

struct Params {
    len: u32,
    dy_stride: u32,
    a_stride: u32,
    b_stride: u32,
    db_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> db: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn hard_gate_gradient(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i < params.len {
        let slope = dy[id.z * params.dy_stride + i] * a[id.z * params.a_stride + i] * (1.0 / 6.0);
        let inside = abs(b[id.z * params.b_stride + i]) < 3.0;
        db[id.z * params.db_stride + i] = select(0.0, slope, inside);
    }
}

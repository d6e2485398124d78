// y = factor · x, copied along an axis: y is [outer, len, inner], x is [outer, inner]. f64 twin: src/op/reduce/broadcast.rs.
// One invocation an element of y; row = len · inner.  Uses: lib/grid.wgsl

struct Params {
    count: u32,
    row: u32,
    inner: u32,
    factor: f32,
    x_stride: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn broadcast(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i < params.count {
        let source = i / params.row * params.inner + i % params.inner;
        y[id.z * params.y_stride + i] = params.factor * x[id.z * params.x_stride + source];
    }
}

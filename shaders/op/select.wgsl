// y = x[index], rows of `row` elements. f64 twin: src/op/select.rs.
// One invocation an element.  Uses: lib/grid.wgsl

struct Params {
    len: u32,
    row: u32,
    index: u32,
    x_stride: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn select_row(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i < params.len {
        y[id.z * params.y_stride + i] = x[id.z * params.x_stride + params.index * params.row + i];
    }
}

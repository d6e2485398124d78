// y = x stretched by strides; axes are numbered from the innermost, absent ones have length 1 and stride 0.
// f64 twin: src/op/sum_to.rs.  Uses: lib/grid.wgsl

struct Params {
    len: u32,
    x_stride: u32,
    y_stride: u32,
    d0: u32,
    d1: u32,
    d2: u32,
    d3: u32,
    d4: u32,
    x0: u32,
    x1: u32,
    x2: u32,
    x3: u32,
    x4: u32,
    x5: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn expand(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i < params.len {
        var rest = i;
        var at = id.z * params.x_stride;
        at += rest % params.d0 * params.x0;
        rest /= params.d0;
        at += rest % params.d1 * params.x1;
        rest /= params.d1;
        at += rest % params.d2 * params.x2;
        rest /= params.d2;
        at += rest % params.d3 * params.x3;
        rest /= params.d3;
        at += rest % params.d4 * params.x4;
        at += rest / params.d4 * params.x5;
        y[id.z * params.y_stride + i] = x[at];
    }
}

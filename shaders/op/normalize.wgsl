// y = (x − mean) / √(variance + epsilon) · weight + bias. f64 twin: src/op/normalize.rs.
// Element i has the statistics of set i / set_inner % sets and the parameters i / per % count; SAME where these are one.
// One invocation RUN elements, of one set and one parameter.  Uses: lib/grid.wgsl, op/<activation>.wgsl for `f`, in the store

override SAME: bool = false;
override RUN: u32 = 1u;

struct Params {
    len: u32,
    first: u32,
    set_inner: u32,
    sets: u32,
    per: u32,
    count: u32,
    epsilon: f32,
    x_stride: u32,
    moments_stride: u32,
    weight_stride: u32,
    bias_stride: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> moments: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn normalize_by(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let start = RUN * linear_index(id, groups);
    if start >= params.len {
        return;
    }
    let own = (params.first + start) / params.set_inner % params.sets;
    var parameter = own;
    if !SAME {
        parameter = (params.first + start) / params.per % params.count;
    }
    let at = id.z * params.moments_stride + own;
    let rstd = inverseSqrt(moments[at + params.sets] + params.epsilon);
    let mean = moments[at];
    let w = weight[id.z * params.weight_stride + parameter];
    let b = bias[id.z * params.bias_stride + parameter];
    for (var i = start; i < min(start + RUN, params.len); i++) {
        let hat = (x[id.z * params.x_stride + i] - mean) * rstd;
        y[id.z * params.y_stride + i] = f(hat * w + b);
    }
}

// dx = dy · w · rstd, or, THROUGH the statistics, dx = (dy · w − (sums[0] + x̂ · sums[1]) / m) · rstd, share being 1 / m.
// f64 twin: src/op/normalize/gradient.rs. Sets and parameters as in normalize.wgsl.
// One invocation RUN elements, of one set and one parameter.  Uses: lib/grid.wgsl

override SAME: bool = false;
override RUN: u32 = 1u;
override THROUGH: bool = false;

struct Params {
    len: u32,
    first: u32,
    set_inner: u32,
    sets: u32,
    per: u32,
    count: u32,
    epsilon: f32,
    share: f32,
    dy_stride: u32,
    moments_stride: u32,
    weight_stride: u32,
    x_stride: u32,
    sums_stride: u32,
    dx_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> moments: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> x: array<f32>;
@group(0) @binding(5) var<storage, read> sums: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn normalize_gradient(
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
    var plain = 0.0;
    var along = 0.0;
    if THROUGH {
        let sum = id.z * params.sums_stride + own;
        plain = sums[sum];
        along = sums[sum + params.sets];
    }
    for (var i = start; i < min(start + RUN, params.len); i++) {
        var slope = dy[id.z * params.dy_stride + i] * w;
        if THROUGH {
            let hat = (x[id.z * params.x_stride + i] - mean) * rstd;
            slope -= (plain + hat * along) * params.share;
        }
        dx[id.z * params.dx_stride + i] = slope * rstd;
    }
}

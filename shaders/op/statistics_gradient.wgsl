// y[0] = − sums[0] · rstd, y[1] = − ½ sums[1] · rstd². f64 twin: src/op/normalize/statistics.rs.
// All [2, sets]; one invocation a set.  Uses: lib/grid.wgsl

struct Params {
    sets: u32,
    epsilon: f32,
    sums_stride: u32,
    moments_stride: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read> moments: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn statistics_gradient(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let own = linear_index(id, groups);
    if own >= params.sets {
        return;
    }
    let at = id.z * params.sums_stride + own;
    let to = id.z * params.y_stride + own;
    let rstd = inverseSqrt(moments[id.z * params.moments_stride + params.sets + own] + params.epsilon);
    y[to] = -sums[at] * rstd;
    y[to + params.sets] = -0.5 * sums[at + params.sets] * rstd * rstd;
}

// y = r + momentum (found − r), found being the mean, or the variance made unbiased. f64 twin: src/op/moments/running.rs.
// All [2, channels]; one invocation an element.  Uses: lib/grid.wgsl

struct Params {
    len: u32,
    channels: u32,
    momentum: f32,
    unbiased: f32,
    running_stride: u32,
    moments_stride: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> running: array<f32>;
@group(0) @binding(2) var<storage, read> moments: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn running_moments(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i >= params.len {
        return;
    }
    let r = running[id.z * params.running_stride + i];
    let found = moments[id.z * params.moments_stride + i] * select(params.unbiased, 1.0, i < params.channels);
    y[id.z * params.y_stride + i] = r + params.momentum * (found - r);
}

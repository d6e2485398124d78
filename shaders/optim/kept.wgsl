// y = x, word by word, for the members that are updated at this step: what is kept for whole tensors from step to step.
// Uses: lib/control.wgsl, lib/grid.wgsl

struct Params {
    len: u32,
    x_stride: u32,
    y_stride: u32,
    first_member: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> control: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn kept(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i < params.len && (step_word(params.first_member + id.z, 0u) & 1u) == 1u {
        y[id.z * params.y_stride + i] = x[id.z * params.x_stride + i];
    }
}

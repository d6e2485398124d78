// Gradients clipped in their place, before something other than optim/update.wgsl looks at them: each by its tensor's scale,
// or cut to the step's bound.
// Uses: optim/element.wgsl (cut), optim/block.wgsl, lib/control.wgsl, lib/grid.wgsl.  Twin: src/device/cpu/update.rs

override SCALED: bool = false;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> control: array<u32>;
@group(0) @binding(2) var<storage, read_write> gradients: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> work: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn clipped(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if !has_work(workgroup, groups) {
        return;
    }
    let member = params.first_member + workgroup.z;
    let block = block_of(params.first_block + workgroup_number(workgroup, groups));
    let first = first_of(block, workgroup.z);
    let scale = bitcast<f32>(work[scale_at(member, block.tensor)]);
    let bound = bitcast<f32>(step_word(member, 2u));
    for (var i = lane; i < block.len4; i += WORKGROUP) {
        let g = gradients[first + i];
        if SCALED {
            gradients[first + i] = scale * g;
        } else {
            gradients[first + i] = cut(g, bound);
        }
    }
}

// Gradients clipped in their place, before something other than optim/update.wgsl looks at them: each by its tensor's scale,
// or cut to the step's bound.
// Uses: optim/element.wgsl (cut), optim/block.wgsl, optim/totals.wgsl, optim/lanes.wgsl, optim/loads.wgsl,
// lib/control.wgsl, lib/grid.wgsl.  Twin: src/device/cpu/update.rs

override SCALED: bool = false;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> control: array<u32>;
@group(0) @binding(2) var<storage, read_write> gradients: array<Reals>;
@group(0) @binding(3) var<storage, read_write> work: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn clipped(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let task = task_of(workgroup, groups, lane);
    if !task.there {
        return;
    }
    let member = task.member;
    let block = task.block;
    let first = first_of(block, workgroup.z);
    let scale = bitcast<f32>(work[scale_at(member, block.tensor)]);
    let bound = bitcast<f32>(task.step.z);
    for (var i = lane; i < block.len4; i += WORKGROUP) {
        let g = reals(gradients[first + i]);
        if SCALED {
            gradients[first + i] = held(scale * g);
        } else {
            gradients[first + i] = held(cut(g, bound));
        }
    }
}

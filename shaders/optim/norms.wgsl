// What must be known of the gradients before they are used: the blocks' sums of squares, largest sizes, counts of non-finite
// elements and the step at which there first were any, into the work buffer.
// Uses: optim/block.wgsl, optim/totals.wgsl, optim/lanes.wgsl, optim/loads.wgsl,
// lib/control.wgsl, lib/grid.wgsl.  Twin: src/device/cpu/update.rs

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> control: array<u32>;
@group(0) @binding(2) var<storage, read> gradients: array<Reals>;
@group(0) @binding(3) var<storage, read_write> work: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn norms(
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
    var worst = 0u;
    var gg = vec4<f32>();
    var bad = vec4<u32>();
    for (var i = lane; i < block.len4; i += WORKGROUP) {
        let g = reals(gradients[first + i]);
        worst = max(worst, largest(sizes(g)));
        gg += g * g;
    }
    if worst >= 0x7f800000u {
        for (var i = lane; i < block.len4; i += WORKGROUP) {
            bad += not_finite(sizes(reals(gradients[first + i])));
        }
    }
    let all = joined(lane, Totals(vec4(dot(gg, vec4(1.0)), 0.0, 0.0, f32(dot(bad, vec4(1u)))), worst));
    if lane == 0u {
        work[work_at(member, block.number, 1u)] = bitcast<u32>(all.sums.x);
        work[work_at(member, block.number, 3u)] = all.most;
        work[work_at(member, block.number, 4u)] = u32(all.sums.w);
        if all.most >= 0x7f800000u {
            let flag = work_at(member, block.number, 5u);
            work[flag] = min(work[flag], control_step());
        }
    }
}

// The second half of a step with a trust ratio: p ← (1 − h₁₁)p − h₁₀·r·u, where optim/update.wgsl left u in the gradient's
// place and optim/tensors.wgsl the ratio r of each tensor as its scale; of a tensor without states the gradient lies there, and
// p ← (1 − h₁)p − h₀·g. `keep_average` is written by src/optim/link.rs.
// Uses: optim/block.wgsl, optim/totals.wgsl, optim/lanes.wgsl, optim/loads.wgsl,
// lib/control.wgsl, lib/grid.wgsl.  Twin: src/device/cpu/update.rs

override TELEMETRY: bool = false;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> control: array<u32>;
@group(0) @binding(2) var<storage, read> directions: array<Reals>;
@group(0) @binding(3) var<storage, read_write> parameters: array<Reals>;
@group(0) @binding(4) var<storage, read_write> work: array<atomic<u32>>;

@compute @workgroup_size(WORKGROUP)
fn apply(
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
    let ratio = bitcast<f32>(atomicLoad(&work[scale_at(member, block.tensor)]));
    let both = fours(task.numbers_at, task.numbers_at + 8u, lane);
    let alone = bitcast<vec4<f32>>(both[0]);
    let scaled = bitcast<vec4<f32>>(both[1]);
    let bare = block.state4 == NO_STATE;
    let rate = select(scaled.z * ratio, alone.x, bare);
    let shrink = select(scaled.w, alone.y, bare);
    let share = bitcast<f32>(task.step.w);
    let zero = hidden_zero(task);
    var worst = 0u;
    var w = vec4<f32>();
    var d = vec4<f32>();
    for (var i = lane; i < block.len4; i += WORKGROUP) {
        let p = reals(parameters[first + i]);
        let next = p - shrink * p - rate * reals(directions[first + i]);
        parameters[first + i] = held(next);
        keep_average(first + i, next, share);
        worst = max(worst, largest(sizes(next)));
        if TELEMETRY {
            w += p * p;
            let change = stored(next, zero) - p;
            d += change * change;
        }
    }
    if worst >= 0x7f800000u {
        atomicMin(&work[work_at(member, block.number, 6u)], control_step());
    }
    if TELEMETRY {
        let one = vec4(1.0);
        let all = joined(lane, Totals(vec4(dot(w, one), 0.0, dot(d, one), 0.0), 0u));
        if lane == 0u {
            atomicStore(&work[work_at(member, block.number, 0u)], bitcast<u32>(all.sums.x));
            atomicStore(&work[work_at(member, block.number, 2u)], bitcast<u32>(all.sums.z));
        }
    }
}

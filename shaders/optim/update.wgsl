// One step of a rule for every tensor of the model in one pass. `load_state`, `store_state`, `salts_of` and `keep_average`, with
// the bindings of states and average, are written by src/optim/link.rs.
// Uses: optim/element.wgsl, optim/block.wgsl, optim/totals.wgsl, optim/lanes.wgsl, optim/loads.wgsl, the rule's file,
// lib/control.wgsl, lib/grid.wgsl.  Twin: src/device/cpu/update.rs

// Whether the gradient is scaled by its tensor's scale and cut to the step's bound: clipping.
override SCALED: bool = false;
override CUT: bool = false;
// Whether some tensors have no states: their gradient is the step itself.
override BARE: bool = false;
// Whether the block's norms are left in the work buffer.
override TELEMETRY: bool = false;
// Whether the gradients' norms and flags are there already: they have been clipped, or become directions, since.
override KNOWN: bool = false;
// Whether the rule's result is a direction, left in the gradient's place for optim/apply.wgsl.
override TRUST: bool = false;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> control: array<u32>;
@group(0) @binding(2) var<storage, read_write> gradients: array<Reals>;
@group(0) @binding(3) var<storage, read_write> parameters: array<Reals>;
@group(0) @binding(4) var<storage, read_write> work: array<atomic<u32>>;

@compute @workgroup_size(WORKGROUP)
fn update(
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
    let h = hyper_of(task, lane);
    let bare = BARE && block.state4 == NO_STATE;
    let first = first_of(block, workgroup.z);
    let state_first = workgroup.z * params.state_stride4 + block.state4 - params.state_first4;
    var scale = 1.0;
    if SCALED {
        scale = bitcast<f32>(atomicLoad(&work[scale_at(member, block.tensor)]));
    }
    let bound = bitcast<f32>(task.step.z);
    let share = bitcast<f32>(task.step.w);
    let salts = salts_of(member, lane);
    let zero = hidden_zero(task);
    var worst_g = 0u;
    var worst_p = 0u;
    var w = vec4<f32>();
    var gg = vec4<f32>();
    var d = vec4<f32>();
    var bad = vec4<u32>();
    for (var i = lane; i < block.len4; i += WORKGROUP) {
        let at = first + i;
        let raw = reals(gradients[at]);
        var g = raw;
        if SCALED {
            g = scale * g;
        }
        if CUT {
            g = cut(g, bound);
        }
        let p = reals(parameters[at]);
        var next = p;
        if bare {
            // With a trust ratio it is the second half that takes the step.
            next = select(p - h[1] * p - h[0] * g, g, TRUST);
        } else {
            let made = rule(h, g, p, load_state(state_first + i));
            store_state(state_first + i, made.s, salts, block.first4 + i);
            next = made.p;
        }
        let size_g = sizes(raw);
        worst_g = max(worst_g, largest(size_g));
        worst_p = max(worst_p, largest(sizes(next)));
        if TRUST {
            gradients[at] = held(next);
            let shrunk = p - h[11] * p;
            w += shrunk * shrunk;
            d += next * next;
        } else {
            parameters[at] = held(next);
            keep_average(at, next, share);
        }
        if TELEMETRY {
            if !TRUST {
                w += p * p;
                let change = stored(next, zero) - p;
                d += change * change;
            }
            gg += raw * raw;
            bad += select(vec4<u32>(), not_finite(size_g), TRUST);
        }
    }
    if !KNOWN && worst_g >= 0x7f800000u {
        atomicMin(&work[work_at(member, block.number, 5u)], control_step());
    }
    if worst_p >= 0x7f800000u {
        atomicMin(&work[work_at(member, block.number, 6u)], control_step());
    }
    if TELEMETRY && !TRUST && worst_g >= 0x7f800000u {
        // In the loop above the count would cost each step what few ever need.
        for (var i = lane; i < block.len4; i += WORKGROUP) {
            bad += not_finite(sizes(reals(gradients[first + i])));
        }
    }
    if TELEMETRY || TRUST {
        let one = vec4(1.0);
        let all = joined(lane, Totals(vec4(dot(w, one), dot(gg, one), dot(d, one), f32(dot(bad, vec4(1u)))), worst_g));
        if lane == 0u {
            leave(member, block, all);
        }
    }
}

fn leave(member: u32, block: Block, all: Totals) {
    atomicStore(&work[work_at(member, block.number, 0u)], bitcast<u32>(all.sums.x));
    if TRUST {
        atomicStore(&work[work_at(member, block.number, 7u)], bitcast<u32>(all.sums.z));
    } else {
        atomicStore(&work[work_at(member, block.number, 2u)], bitcast<u32>(all.sums.z));
    }
    if TELEMETRY && !KNOWN && !(BARE && block.state4 == NO_STATE) {
        atomicStore(&work[work_at(member, block.number, 1u)], bitcast<u32>(all.sums.y));
        atomicStore(&work[work_at(member, block.number, 3u)], all.most);
        atomicStore(&work[work_at(member, block.number, 4u)], u32(all.sums.w));
    }
}

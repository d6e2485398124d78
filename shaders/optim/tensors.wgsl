// From the blocks to the tensors: the scales that clip gradients by their norm, trust ratios, and telemetry.
// Uses: optim/totals.wgsl, optim/lanes.wgsl, lib/control.wgsl, lib/grid.wgsl.  Twin: src/device/cpu/update.rs

struct Params {
    // words of a member in the work buffer, and of the blocks before its scales
    work_stride: u32,
    scales_at: u32,
    tensors: u32,
    maximum: f32,
    epsilon: f32,
    // bits of a NaN, which a shader may not write as a constant
    nan: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> control: array<u32>;
@group(0) @binding(2) var<storage, read_write> work: array<u32>;
// telemetry: [place][member][tensor][8], ‖w‖², ‖g‖², ‖Δw‖², bits of max |g|, non-finite elements
@group(0) @binding(3) var<storage, read_write> ring: array<u32>;

fn word(member: u32, block: u32, n: u32) -> u32 {
    return work[member * params.work_stride + 8u * block + n];
}

// Words 0, 1 and 2 as numbers and 4 as a count, and 3, over the blocks from first to end.
fn added(member: u32, first: u32, end: u32, lane: u32, third: u32) -> Totals {
    var own = Totals(vec4<f32>(), 0u);
    for (var b = first + lane; b < end; b += WORKGROUP) {
        let numbers = vec3(word(member, b, 0u), word(member, b, 1u), word(member, b, third));
        own.sums += vec4(bitcast<vec3<f32>>(numbers), f32(word(member, b, 4u)));
        own.most = max(own.most, word(member, b, 3u));
    }
    return joined(lane, own);
}

fn first_block(tensor: u32) -> u32 {
    return control[control[7] + tensor];
}

// By bits: a driver may assume that there are no infinities and NaNs.
fn beyond(squared: f32) -> bool {
    return (bitcast<u32>(squared) & 0x7fffffffu) >= 0x7f800000u;
}

// The factor that brings a gradient of that squared norm down to the maximum. A norm that f32 does not hold has none: 0 would
// hide it.
fn factor(squared: f32) -> f32 {
    if beyond(squared) {
        return bitcast<f32>(params.nan);
    }
    let norm = sqrt(squared) + params.epsilon;
    return select(1.0, params.maximum / norm, norm > params.maximum);
}

// All tensors of a member by one norm: one workgroup, since each scale needs all blocks.
@compute @workgroup_size(WORKGROUP)
fn clip_all(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let member = workgroup.z;
    let scale = factor(added(member, 0u, params.scales_at / 8u, lane, 2u).sums.y);
    for (var t = lane; t < params.tensors; t += WORKGROUP) {
        work[member * params.work_stride + params.scales_at + t] = bitcast<u32>(scale);
    }
}

@compute @workgroup_size(WORKGROUP)
fn clip_each(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tensor = workgroup_number(workgroup, groups);
    if tensor < params.tensors {
        let all = added(workgroup.z, first_block(tensor), first_block(tensor + 1u), lane, 2u);
        work[workgroup.z * params.work_stride + params.scales_at + tensor] = bitcast<u32>(factor(all.sums.y));
    }
}

// ‖w‖/‖u‖, or 1 where either is 0; NaN where f32 does not hold one, for 0 would keep the tensor as it is and say nothing.
@compute @workgroup_size(WORKGROUP)
fn trust(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tensor = workgroup_number(workgroup, groups);
    if tensor < params.tensors {
        let all = added(workgroup.z, first_block(tensor), first_block(tensor + 1u), lane, 7u);
        let known = all.sums.x > 0.0 && all.sums.z > 0.0;
        var ratio = select(1.0, sqrt(all.sums.x) / sqrt(all.sums.z), known);
        if beyond(all.sums.x) || beyond(all.sums.z) {
            ratio = bitcast<f32>(params.nan);
        }
        work[workgroup.z * params.work_stride + params.scales_at + tensor] = bitcast<u32>(ratio);
    }
}

@compute @workgroup_size(WORKGROUP)
fn telemetry(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tensor = workgroup_number(workgroup, groups);
    let member = workgroup.z;
    if tensor < params.tensors {
        let all = added(member, first_block(tensor), first_block(tensor + 1u), lane, 2u);
        if lane == 0u {
            let flags = step_word(member, 0u);
            let at = 8u * (((flags >> 8u) * control[4] + member) * params.tensors + tensor);
            // The blocks of a member that is not updated hold what an earlier step left.
            let told = (flags & 1u) == 1u;
            ring[at] = select(0u, bitcast<u32>(all.sums.x), told);
            ring[at + 1u] = select(0u, bitcast<u32>(all.sums.y), told);
            ring[at + 2u] = select(0u, bitcast<u32>(all.sums.z), told);
            ring[at + 3u] = select(0u, all.most, told);
            ring[at + 4u] = select(0u, u32(all.sums.w), told);
        }
    }
}

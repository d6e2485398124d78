// Whether a workgroup of 8 is one subgroup whose lanes hear each other, in the workgroup's order: each writes Σ (l + 1) · (100 · workgroup + l).
// Host's side: src/device/gpu/subgroup.rs

struct Params {
    len: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> heard: array<u32>;

@compute @workgroup_size(8)
fn subgroup_check(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_invocation_id) lane: u32,
    @builtin(subgroup_size) size: u32,
) {
    let own = 100u * group.x + lane;
    var sum = subgroupBroadcast(own, 0u);
    sum += 2u * subgroupBroadcast(own, 1u);
    sum += 3u * subgroupBroadcast(own, 2u);
    sum += 4u * subgroupBroadcast(own, 3u);
    sum += 5u * subgroupBroadcast(own, 4u);
    sum += 6u * subgroupBroadcast(own, 5u);
    sum += 7u * subgroupBroadcast(own, 6u);
    sum += 8u * subgroupBroadcast(own, 7u);
    let at = group.x * 8u + lane;
    if at < params.len && size == 8u && local == lane {
        heard[at] = sum;
    }
}

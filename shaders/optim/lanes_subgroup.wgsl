// optim/lanes.wgsl where a workgroup is one subgroup of 8: each lane loads one word for all, and nobody waits. The same bits.
// Uses: optim/totals.wgsl (Totals), the kernel's `control`

fn fours(first: u32, second: u32, lane: u32) -> array<vec4<u32>, 2> {
    let own = control[select(first, second, lane > 3u) + (lane & 3u)];
    return array(
        vec4(subgroupBroadcast(own, 0u), subgroupBroadcast(own, 1u), subgroupBroadcast(own, 2u), subgroupBroadcast(own, 3u)),
        vec4(subgroupBroadcast(own, 4u), subgroupBroadcast(own, 5u), subgroupBroadcast(own, 6u), subgroupBroadcast(own, 7u)),
    );
}

// The tree of the other file's loop: lanes 4 apart, then 2, then 1.
fn joined(lane: u32, own: Totals) -> Totals {
    let s = own.sums;
    let a = (subgroupBroadcast(s, 0u) + subgroupBroadcast(s, 4u)) + (subgroupBroadcast(s, 2u) + subgroupBroadcast(s, 6u));
    let b = (subgroupBroadcast(s, 1u) + subgroupBroadcast(s, 5u)) + (subgroupBroadcast(s, 3u) + subgroupBroadcast(s, 7u));
    return Totals(a + b, most_of(own.most));
}

fn most_of(m: u32) -> u32 {
    let first = max(subgroupBroadcast(m, 0u), subgroupBroadcast(m, 1u));
    let second = max(subgroupBroadcast(m, 2u), subgroupBroadcast(m, 3u));
    let third = max(subgroupBroadcast(m, 4u), subgroupBroadcast(m, 5u));
    let fourth = max(subgroupBroadcast(m, 6u), subgroupBroadcast(m, 7u));
    return max(max(first, second), max(third, fourth));
}

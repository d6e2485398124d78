// What the lanes of a workgroup tell each other, whatever its size: by its memory.
// Uses: optim/totals.wgsl (Totals), the kernel's `control`, lib/grid.wgsl (WORKGROUP)

var<workgroup> lane_sums: array<vec4<f32>, WORKGROUP>;
var<workgroup> lane_most: array<u32, WORKGROUP>;

// Four words of the control buffer from each of two places on, the same for all lanes.
fn fours(first: u32, second: u32, lane: u32) -> array<vec4<u32>, 2> {
    return array(four(first), four(second));
}

fn four(at: u32) -> vec4<u32> {
    return vec4(control[at], control[at + 1u], control[at + 2u], control[at + 3u]);
}

// Every invocation of the workgroup must call this: it holds barriers.
fn joined(lane: u32, own: Totals) -> Totals {
    lane_sums[lane] = own.sums;
    lane_most[lane] = own.most;
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            lane_sums[lane] += lane_sums[lane + half];
            lane_most[lane] = max(lane_most[lane], lane_most[lane + half]);
        }
    }
    workgroupBarrier();
    return Totals(lane_sums[0], lane_most[0]);
}

// What the invocations of a workgroup add up over a block, joined by a tree of a fixed shape: the same bits each time.
// Uses: lib/grid.wgsl (WORKGROUP)

struct Totals {
    // three sums of squares and a count
    sums: vec4<f32>,
    most: u32,
}

var<workgroup> lane_sums: array<vec4<f32>, WORKGROUP>;
var<workgroup> lane_most: array<u32, WORKGROUP>;

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

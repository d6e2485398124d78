// scalars[out] = keep·scalars[base] − ρ Σ partials: a coefficient of L-BFGS's two loops, without the host.
// One workgroup; each lane adds every 64th partial sum, then lane 0 adds the lanes: one order.

struct Params {
    count: u32,
    base: u32,
    out: u32,
    keep: f32,
    rho: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> scalars: array<f32>;

const LANES: u32 = 64u;
var<workgroup> sums: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn vector_coefficient(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < params.count; i += LANES) {
        sum += partials[i];
    }
    sums[lane] = sum;
    workgroupBarrier();
    if lane == 0u {
        var total = 0.0;
        for (var n = 0u; n < LANES; n++) {
            total += sums[n];
        }
        let before = select(params.keep * scalars[params.base], 0.0, params.keep == 0.0);
        scalars[params.out] = before - params.rho * total;
    }
}

// Sizes of x: max |x|, Σ |x| and the count of what is not finite, which the other two leave out. Invocation n takes the elements
// n, n + lanes, n + 2·lanes, …; the host folds the three partial results of each.  Uses: lib/grid.wgsl

struct Params {
    len: u32,
    lanes: u32,
    // where the first partial result goes
    first: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn vector_norms(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let lane = linear_index(id, groups);
    if lane < params.lanes {
        var largest = 0.0;
        var sum = 0.0;
        var others = 0.0;
        for (var i = lane; i < params.len; i += params.lanes) {
            // By bits: a driver may assume that there are no infinities and NaNs.
            let bits = bitcast<u32>(x[i]) & 0x7fffffffu;
            if bits < 0x7f800000u {
                let size = bitcast<f32>(bits);
                largest = max(largest, size);
                sum += size;
            } else {
                others += 1.0;
            }
        }
        let place = params.first + 3u * lane;
        partials[place] = largest;
        partials[place + 1u] = sum;
        partials[place + 2u] = others;
    }
}

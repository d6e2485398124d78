// Partial sums of x·y: invocation n takes the elements n, n + lanes, n + 2·lanes, …
// The host, or device/vector_coefficient.wgsl, adds them up in order.  Uses: lib/grid.wgsl

struct Params {
    len: u32,
    lanes: u32,
    // where the first partial sum goes
    first: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn vector_dot(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let lane = linear_index(id, groups);
    if lane < params.lanes {
        var sum = 0.0;
        for (var i = lane; i < params.len; i += params.lanes) {
            sum += x[i] * y[i];
        }
        partials[params.first + lane] = sum;
    }
}

// Numbers of a step where a graph reads them: place n of a member gets number 2 + n % 10 of parameter group n / 10, each at the
// beginning of 64 words.
// Uses: lib/control.wgsl, lib/grid.wgsl

struct Params {
    count: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> control: array<u32>;
@group(0) @binding(2) var<storage, read_write> places: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn numbers(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let n = linear_index(id, groups);
    if n < params.count {
        places[64u * (id.z * params.count + n)] = hyper_word(id.z, n / 10u, 2u + n % 10u);
    }
}

// y = x, four words an invocation: what memory gives at best. The roof of every kernel that is bound by it is measured with this.
// Host: src/device/gpu/roof.rs. Uses: lib/grid.wgsl

struct Params {
    len4: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<u32>>;

@compute @workgroup_size(WORKGROUP)
fn stream(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i < params.len4 {
        y[i] = x[i];
    }
}

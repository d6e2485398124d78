// y = x, EACH fours of words a workgroup: what memory gives at best. The roof of every kernel that is bound by it is measured with this.
// Host: src/device/gpu/roof.rs. Uses: lib/grid.wgsl, lib/four.wgsl or lib/four_wide.wgsl

struct Params {
    len4: u32,
}

override EACH: u32 = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Four>;
@group(0) @binding(2) var<storage, read_write> y: array<Four>;

@compute @workgroup_size(WORKGROUP)
fn stream(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let start = workgroup_number(workgroup, groups) * EACH;
    let end = min(params.len4, start + EACH);
    for (var i = start + lane; i < end; i += WORKGROUP) {
        y[i] = x[i];
    }
}

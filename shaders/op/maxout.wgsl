// y = the largest of each `pieces` consecutive features; one invocation a group. Goodfellow et al. 2013.
// f64 twin: src/op/maxout.rs.  Uses: lib/grid.wgsl, lib/nan.wgsl

struct Params {
    groups: u32,
    pieces: u32,
    x_stride: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn maxout(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_index(id, groups);
    if group < params.groups {
        let base = id.z * params.x_stride + group * params.pieces;
        var best = x[base];
        for (var j = 1u; j < params.pieces; j++) {
            let candidate = x[base + j];
            best = select(best, candidate, beats(candidate, best));
        }
        y[id.z * params.y_stride + group] = best;
    }
}

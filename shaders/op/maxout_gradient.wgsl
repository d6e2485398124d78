// dx = dy at the winner of each group (the first of equals), 0 elsewhere; one invocation a group.
// f64 twin: src/op/maxout.rs.  Uses: lib/grid.wgsl, lib/nan.wgsl

struct Params {
    groups: u32,
    pieces: u32,
    x_stride: u32,
    dx_stride: u32,
    dy_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn maxout_gradient(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_index(id, groups);
    if group < params.groups {
        let base = id.z * params.x_stride + group * params.pieces;
        let out = id.z * params.dx_stride + group * params.pieces;
        var winner = 0u;
        var best = x[base];
        dx[out] = 0.0;
        for (var j = 1u; j < params.pieces; j++) {
            let candidate = x[base + j];
            let wins = beats(candidate, best);
            winner = select(winner, j, wins);
            best = select(best, candidate, wins);
            dx[out + j] = 0.0;
        }
        dx[out + winner] = dy[id.z * params.dy_stride + group];
    }
}

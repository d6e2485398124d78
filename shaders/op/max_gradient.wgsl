// dx = dy at the first of the largest x of each line, 0 elsewhere. f64 twin: src/op/reduce/max_gradient.rs.
// x, dx: [outer, len, inner]; dy: [outer, inner]; one row of the grid a line.
// Uses: lib/row_invocation.wgsl or lib/row_workgroup.wgsl

struct Params {
    rows: u32,
    len: u32,
    inner: u32,
    x_stride: u32,
    dy_stride: u32,
    dx_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn max_gradient(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = row_index(id, group, groups);
    let lane = lane_index(local);
    let live = row < params.rows;
    let line = row / params.inner * params.len * params.inner + row % params.inner;
    let from_x = id.z * params.x_stride + line;
    let from_dx = id.z * params.dx_stride + line;
    let len = select(0u, params.len, live);

    var best = 0.0;
    var place = 0u;
    if live {
        best = x[from_x];
    }
    for (var k = lane; k < len; k += LANES) {
        let v = x[from_x + k * params.inner];
        if beats(v, best) {
            best = v;
            place = k;
        }
    }
    let winner = fold_first(lane, best, place);
    for (var k = lane; k < len; k += LANES) {
        dx[from_dx + k * params.inner] = 0.0;
        if k == winner {
            dx[from_dx + k * params.inner] = dy[id.z * params.dy_stride + row];
        }
    }
}

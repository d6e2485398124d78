// A loss's gradient ds, and each row's share of the loss and whether it is right, for head/means.wgsl to add up.
// f64 twins: src/loss/rows.rs, src/loss/pointwise.rs, src/loss/accuracy.rs. One row of the grid an example.
// Uses: head/classes.wgsl or head/values.wgsl, head/<loss>.wgsl, lib/row_invocation.wgsl or lib/row_workgroup.wgsl

override RIGHT: bool = false;

struct Params {
    rows: u32,
    width: u32,
    len: u32,
    factor: f32,
    s_stride: u32,
    t_stride: u32,
    dy_stride: u32,
    ds_stride: u32,
    part_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> s: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> ds: array<f32>;
// A line of losses and a line of hits for each member.
@group(0) @binding(5) var<storage, read_write> parts: array<f32>;

// Where the heads find scores and leave slopes.
fn score(i: u32) -> f32 {
    return s[i];
}

fn put_slope(i: u32, slope: f32) {
    ds[i] = slope;
}

@compute @workgroup_size(WORKGROUP)
fn rows(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = row_index(id, group, groups);
    let lane = lane_index(local);
    let live = row < params.rows;
    let at = select(0u, row * params.width, live);
    // Idle rows are empty, but reach the folds.
    let width = select(0u, min(params.width, params.len - at), live);
    let first = id.z * params.s_stride + at;
    let goal = id.z * params.t_stride + goal_index(select(0u, row, live), at);
    let share = params.factor * dy[id.z * params.dy_stride];
    let loss = loss_row(lane, width, first, goal, id.z * params.ds_stride + at, share);
    var hit = 0.0;
    if RIGHT {
        hit = right_row(lane, width, first, goal);
    }
    if live && lane == 0u {
        let part = id.z * params.part_stride + row;
        parts[part] = loss;
        parts[part + params.rows] = hit;
    }
}

// A loss, its gradient ds and the share of rows that are right, together: one workgroup a member takes all rows, a lane a row
// after the other, and adds up what they leave. For few rows; for many see head/rows.wgsl.
// f64 twins: src/loss/rows.rs, src/loss/pointwise.rs, src/loss/accuracy.rs.
// Uses: head/classes.wgsl or head/values.wgsl, head/<loss>.wgsl, lib/row_invocation.wgsl

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
    y_stride: u32,
    right_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> s: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> ds: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> right: array<f32>;

var<workgroup> losses: array<f32, WORKGROUP>;
var<workgroup> rights: array<f32, WORKGROUP>;

// Where the heads find scores and leave slopes.
fn score(i: u32) -> f32 {
    return s[i];
}

fn put_slope(i: u32, slope: f32) {
    ds[i] = slope;
}

@compute @workgroup_size(WORKGROUP)
fn whole(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    let member = group.z;
    let share = params.factor * dy[member * params.dy_stride];
    var loss = 0.0;
    var hits = 0.0;
    for (var row = lane; row < params.rows; row += WORKGROUP) {
        let at = row * params.width;
        let width = min(params.width, params.len - at);
        let first = member * params.s_stride + at;
        let goal = member * params.t_stride + goal_index(row, at);
        loss += loss_row(0u, width, first, goal, member * params.ds_stride + at, share);
        if RIGHT {
            hits += right_row(0u, width, first, goal);
        }
    }
    losses[lane] = loss;
    rights[lane] = hits;
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            losses[lane] += losses[lane + half];
            rights[lane] += rights[lane + half];
        }
    }
    if lane == 0u {
        y[member * params.y_stride] = params.factor * losses[0];
        right[member * params.right_stride] = params.factor * rights[0];
    }
}

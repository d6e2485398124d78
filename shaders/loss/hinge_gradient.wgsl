// ds_k = [s_k − s_class + 1 > 0] · dy / N for k ≠ class; ds_class = −(how many) · dy / N. f64 twin: src/loss/hinge.rs.
// One row of the grid an example.  Uses: lib/row_invocation.wgsl or lib/row_workgroup.wgsl

struct Params {
    rows: u32,
    width: u32,
    factor: f32,
    s_stride: u32,
    t_stride: u32,
    dy_stride: u32,
    ds_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> s: array<f32>;
@group(0) @binding(2) var<storage, read> t: array<u32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> ds: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn row_gradient(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = row_index(id, group, groups);
    let lane = lane_index(local);
    let live = row < params.rows;
    let width = select(0u, params.width, live);
    let first = id.z * params.s_stride + row * params.width;
    let out = id.z * params.ds_stride + row * params.width;
    let share = params.factor * dy[id.z * params.dy_stride];

    var class_of_row = 0u;
    if live {
        class_of_row = min(t[id.z * params.t_stride + row], params.width - 1u);
    }

    var right = 0.0;
    if live {
        right = s[first + class_of_row];
    }
    var count = 0.0;
    for (var k = lane; k < width; k += LANES) {
        let margin = s[first + k] - right + 1.0;
        let wrong = k != class_of_row;
        let over = wrong && margin > 0.0;
        // A score that is no number has no gradient: that must show.
        let lost = wrong && is_nan(margin);
        count += select(select(0.0, 1.0, over), margin, lost);
        ds[out + k] = select(select(0.0, share, over), margin, lost);
    }
    count = fold_sum(lane, count);
    // The lane that wrote the class's 0 overwrites it.
    for (var k = lane; k < width; k += LANES) {
        if k == class_of_row {
            ds[out + k] = -count * share;
        }
    }
}

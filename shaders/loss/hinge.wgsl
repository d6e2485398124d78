// ℓ = Σ max(0, s_k − s_class + 1) over k ≠ class: Weston–Watkins. f64 twin: src/loss/hinge.rs.
// One row of the grid an example.  Uses: lib/row_invocation.wgsl or lib/row_workgroup.wgsl

struct Params {
    rows: u32,
    width: u32,
    s_stride: u32,
    t_stride: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> s: array<f32>;
@group(0) @binding(2) var<storage, read> t: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn row_loss(
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

    var class_of_row = 0u;
    if live {
        class_of_row = min(t[id.z * params.t_stride + row], params.width - 1u);
    }

    var right = 0.0;
    if live {
        right = s[first + class_of_row];
    }
    var loss = 0.0;
    for (var k = lane; k < width; k += LANES) {
        let margin = s[first + k] - right + 1.0;
        // Not max(): it may turn NaN into 0 and hide it.
        let counts = (margin > 0.0 || is_nan(margin)) && k != class_of_row;
        loss += select(0.0, margin, counts);
    }
    loss = fold_sum(lane, loss);
    if live && lane == 0u {
        y[id.z * params.y_stride + row] = loss;
    }
}

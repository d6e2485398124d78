// y = exp(x − m) / S, or x − m − ln S if LOGARITHM, with m = max x and S = Σ exp(x − m) along an axis.
// Subtracting m keeps every exponent ≤ 0. f64 twin: src/op/softmax.rs. x, y: [outer, len, inner]; one row of the grid a line.
// Uses: lib/row_invocation.wgsl or lib/row_workgroup.wgsl

override LOGARITHM: bool = false;

struct Params {
    rows: u32,
    len: u32,
    inner: u32,
    x_stride: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn softmax(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = row_index(id, group, groups);
    let lane = lane_index(local);
    let live = row < params.rows;
    let step = params.inner;
    let line = row / step * params.len * step + row % step;
    let from_x = id.z * params.x_stride + line;
    let from_y = id.z * params.y_stride + line;
    let len = select(0u, params.len, live);

    var largest = 0.0;
    if live {
        largest = x[from_x];
    }
    for (var k = lane; k < len; k += LANES) {
        largest = max(largest, x[from_x + k * step]);
    }
    largest = fold_max(lane, largest);

    var total = 0.0;
    for (var k = lane; k < len; k += LANES) {
        let power = exp(x[from_x + k * step] - largest);
        total += power;
        if !LOGARITHM {
            y[from_y + k * step] = power;
        }
    }
    total = fold_sum(lane, total);

    // Each lane reads back only what it wrote itself.
    let log_total = log(total);
    for (var k = lane; k < len; k += LANES) {
        if LOGARITHM {
            y[from_y + k * step] = x[from_x + k * step] - largest - log_total;
        } else {
            y[from_y + k * step] /= total;
        }
    }
}

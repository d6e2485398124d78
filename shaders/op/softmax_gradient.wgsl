// dx = y (dy − Σ dy y); or, y being log-softmax (LOGARITHM), dx = dy − exp(y) Σ dy. Sums along an axis.
// f64 twin: src/op/softmax/gradient.rs. All [outer, len, inner]; one row of the grid a line.
// Uses: lib/row_invocation.wgsl or lib/row_workgroup.wgsl

override LOGARITHM: bool = false;

struct Params {
    rows: u32,
    len: u32,
    inner: u32,
    y_stride: u32,
    dy_stride: u32,
    dx_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn softmax_gradient(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = row_index(id, group, groups);
    let lane = lane_index(local);
    let step = params.inner;
    let line = row / step * params.len * step + row % step;
    let from_y = id.z * params.y_stride + line;
    let from_dy = id.z * params.dy_stride + line;
    let from_dx = id.z * params.dx_stride + line;
    let len = select(0u, params.len, row < params.rows);

    var total = 0.0;
    for (var k = lane; k < len; k += LANES) {
        let upstream = dy[from_dy + k * step];
        if LOGARITHM {
            total += upstream;
        } else {
            total += upstream * y[from_y + k * step];
        }
    }
    total = fold_sum(lane, total);

    for (var k = lane; k < len; k += LANES) {
        let value = y[from_y + k * step];
        let upstream = dy[from_dy + k * step];
        if LOGARITHM {
            dx[from_dx + k * step] = upstream - exp(value) * total;
        } else {
            dx[from_dx + k * step] = value * (upstream - total);
        }
    }
}

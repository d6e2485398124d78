// y = factor · Σ x, or max x, over runs of one axis. f64 twin: src/op/reduce.rs.
// x is [outer, len, inner]; y is [outer, parts, inner]: part p holds elements p·chunk … of the axis. A second launch
// reduces the parts. Row r of the grid is one element of y.  Uses: lib/row_invocation.wgsl or lib/row_workgroup.wgsl

override MAXIMUM: bool = false;

struct Params {
    rows: u32,
    len: u32,
    inner: u32,
    parts: u32,
    chunk: u32,
    factor: f32,
    x_stride: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn reduce_axis(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = row_index(id, group, groups);
    let lane = lane_index(local);
    let live = row < params.rows;
    let inner = params.inner;
    let first = ((row / inner) % params.parts) * params.chunk;
    let base = id.z * params.x_stride + row / (params.parts * inner) * params.len * inner + row % inner;
    // Idle rows run no iteration but reach the folds.
    let end = select(0u, min(first + params.chunk, params.len), live);

    var total = 0.0;
    if MAXIMUM {
        if live {
            total = x[base + first * inner];
        }
        for (var k = first + lane; k < end; k += LANES) {
            let v = x[base + k * inner];
            total = select(total, v, beats(v, total));
        }
        total = fold_max(lane, total);
    } else {
        for (var k = first + lane; k < end; k += LANES) {
            total += x[base + k * inner];
        }
        total = params.factor * fold_sum(lane, total);
    }
    if live && lane == 0u {
        y[id.z * params.y_stride + row] = total;
    }
}

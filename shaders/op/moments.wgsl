// mean and Σ (x − mean)² / divisor of parts of sets. f64 twin: src/op/moments.rs.
// x is [outer, sets, inner]; y is [parts, 2, sets]. Row p · sets + s of the grid takes elements p · chunk … of set s, twice: for a mean, then
// for the distances from it, whose sum says by how much that mean is off (Chan, Golub & LeVeque 1983).
// Sums run by 16 elements, then over those, so that roundings stay few.
// Uses: lib/row_invocation.wgsl or lib/row_workgroup.wgsl

struct Params {
    rows: u32,
    sets: u32,
    inner: u32,
    len: u32,
    chunk: u32,
    divisor: f32,
    x_stride: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn element(base: u32, k: u32) -> f32 {
    return x[base + k / params.inner * params.sets * params.inner + k % params.inner];
}

@compute @workgroup_size(WORKGROUP)
fn moments(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = row_index(id, group, groups);
    let lane = lane_index(local);
    let live = row < params.rows;
    let part = row / params.sets;
    let own = row % params.sets;
    let base = id.z * params.x_stride + own * params.inner;
    let first = part * params.chunk;
    // Idle rows run no iteration but reach the folds.
    let end = select(0u, min(first + params.chunk, params.len), live);
    let n = f32(min(params.chunk, params.len - min(first, params.len)));

    var total = 0.0;
    for (var run = first + lane; run < end; run += 16u * LANES) {
        var sum = 0.0;
        for (var k = run; k < min(run + 16u * LANES, end); k += LANES) {
            sum += element(base, k);
        }
        total += sum;
    }
    let near = fold_sum(lane, total) / n;

    var off = 0.0;
    var squares = 0.0;
    for (var run = first + lane; run < end; run += 16u * LANES) {
        var sums = vec2(0.0, 0.0);
        for (var k = run; k < min(run + 16u * LANES, end); k += LANES) {
            let t = element(base, k) - near;
            sums += vec2(t, t * t);
        }
        off += sums.x;
        squares += sums.y;
    }
    off = fold_sum(lane, off);
    squares = fold_sum(lane, squares);
    if live && lane == 0u {
        let to = id.z * params.y_stride + part * 2u * params.sets + own;
        y[to] = near + off / n;
        // abs, not max: rounding may fall below 0, and a NaN must stay one.
        y[to + params.sets] = abs(squares - off * off / n) / params.divisor;
    }
}

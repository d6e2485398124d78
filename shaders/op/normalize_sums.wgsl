// Σ g and Σ g x̂ over parts of classes, g being dy, or dy · weight (WEIGHTED). f64 twin: src/op/normalize/sums.rs.
// dy and x are [outer, classes, inner]; y is [parts, 2, classes]. Row p · classes + c of the grid takes elements p · chunk … of class c.
// Classes are sets or parameters (normalize.wgsl); FIXED where a class has one set, of its own number.
// Uses: lib/row_invocation.wgsl or lib/row_workgroup.wgsl

override WEIGHTED: bool = false;
override FIXED: bool = false;

struct Params {
    rows: u32,
    classes: u32,
    inner: u32,
    len: u32,
    chunk: u32,
    set_inner: u32,
    sets: u32,
    per: u32,
    count: u32,
    epsilon: f32,
    dy_stride: u32,
    x_stride: u32,
    moments_stride: u32,
    weight_stride: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> moments: array<f32>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

// Mean and 1 / √(variance + epsilon).
fn statistics(member: u32, own: u32) -> vec2<f32> {
    let at = member * params.moments_stride + own;
    return vec2(moments[at], inverseSqrt(moments[at + params.sets] + params.epsilon));
}

@compute @workgroup_size(WORKGROUP)
fn normalize_sums(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = row_index(id, group, groups);
    let lane = lane_index(local);
    let live = row < params.rows;
    let part = row / params.classes;
    let owner = row % params.classes;
    let first = part * params.chunk;
    // Idle rows run no iteration but reach the folds.
    let end = select(0u, min(first + params.chunk, params.len), live);

    var its = vec2(0.0, 0.0);
    if FIXED && live {
        its = statistics(id.z, owner);
    }
    var plain = 0.0;
    var along = 0.0;
    // By 16 elements, then over those, so that roundings stay few.
    for (var run = first + lane; run < end; run += 16u * LANES) {
        var sums = vec2(0.0, 0.0);
        for (var k = run; k < min(run + 16u * LANES, end); k += LANES) {
            let i = (k / params.inner * params.classes + owner) * params.inner + k % params.inner;
            if !FIXED {
                its = statistics(id.z, i / params.set_inner % params.sets);
            }
            var slope = dy[id.z * params.dy_stride + i];
            if WEIGHTED {
                slope *= weight[id.z * params.weight_stride + i / params.per % params.count];
            }
            sums += slope * vec2(1.0, (x[id.z * params.x_stride + i] - its.x) * its.y);
        }
        plain += sums.x;
        along += sums.y;
    }
    plain = fold_sum(lane, plain);
    along = fold_sum(lane, along);
    if live && lane == 0u {
        let to = id.z * params.y_stride + part * 2u * params.classes + owner;
        y[to] = plain;
        y[to + params.classes] = along;
    }
}

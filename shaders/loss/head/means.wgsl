// The means of the two lines that head/rows.wgsl left: the loss, and the share of rows that are right. One workgroup a member.

override WORKGROUP: u32 = 256u;

struct Params {
    rows: u32,
    factor: f32,
    part_stride: u32,
    y_stride: u32,
    right_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> right: array<f32>;

var<workgroup> losses: array<f32, WORKGROUP>;
var<workgroup> rights: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn means(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
) {
    let first = group.z * params.part_stride;
    var loss = 0.0;
    var hits = 0.0;
    for (var row = lane; row < params.rows; row += WORKGROUP) {
        loss += parts[first + row];
        hits += parts[first + params.rows + row];
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
        y[group.z * params.y_stride] = params.factor * losses[0];
        right[group.z * params.right_stride] = params.factor * rights[0];
    }
}

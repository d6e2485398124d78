// A block of 4 rows through a chain of dense layers of at most 128 columns, its loss, and back, by a workgroup: an invocation a
// column. What the next product needs lies in workgroup memory, and in `values`, where the gradients of the weights find it.
// f64 twins: those of the ops, src/op/ and src/loss/.
// Uses: chain/stage.wgsl, head/<targets>.wgsl, head/<loss>.wgsl, lib/row_invocation.wgsl, op/<activation>.wgsl

const BLOCK: u32 = 4u;

// The factors of the next product: a column of the block.
var<workgroup> input: array<vec4<f32>, 128>;

// A column of the block, in a table of rows of `width`.
fn keep(table: u32, width: u32, first: u32, column: u32, value: vec4<f32>) {
    let at = table + first * width + column;
    values[at] = value.x;
    values[at + width] = value.y;
    values[at + 2u * width] = value.z;
    values[at + 3u * width] = value.w;
}

fn stage(number: u32, lane: u32, first: u32, member: Member) {
    let s = stage_of(number);
    var sum = vec4(0.0);
    let column = min(lane, s.n - 1u) * s.weight_n;
    for (var k = 0u; k < s.k; k++) {
        sum += weight(number, column + k * s.weight_k, member) * input[k];
    }
    workgroupBarrier();
    if lane < s.n {
        let value = vec4(
            finish(number, sum.x, first, lane, member),
            finish(number, sum.y, first + 1u, lane, member),
            finish(number, sum.z, first + 2u, lane, member),
            finish(number, sum.w, first + 3u, lane, member),
        );
        input[lane] = value;
        keep(table(s.to, member), s.n, first, lane, value);
    }
    workgroupBarrier();
}

fn example(row: u32, column: u32, member: Member) -> f32 {
    let at = member.index * params.x_stride + min(row, params.rows - 1u) * WIDTH + column;
    return select(0.0, x[at], row < params.rows);
}

@compute @workgroup_size(128)
fn rows(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let member = member_of(group.z);
    let first = group.x * BLOCK;
    if lane < WIDTH {
        let value = vec4(
            example(first, lane, member),
            example(first + 1u, lane, member),
            example(first + 2u, lane, member),
            example(first + 3u, lane, member),
        );
        input[lane] = value;
        keep(table(0u, member), WIDTH, first, lane, value);
    }
    workgroupBarrier();
    there(lane, first, member);
    storageBarrier();
    losses(lane, first, member);
    storageBarrier();
    if lane < CLASSES {
        let at = table(SLOPES, member) + first * CLASSES + lane;
        input[lane] = vec4(values[at], values[at + CLASSES], values[at + 2u * CLASSES], values[at + 3u * CLASSES]);
    }
    workgroupBarrier();
    back(lane, first, member);
}

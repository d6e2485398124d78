// A block of 16 rows through a chain of dense layers, its loss, and back, by a subgroup of 8: what lies between goes through
// `values`, where the gradients of the weights find it. For software adapters. f64 twins: those of the ops, src/op/ and src/loss/.
// Uses: chain/stage.wgsl, lib/eight.wgsl, head/<targets>.wgsl, head/<loss>.wgsl, lib/row_invocation.wgsl, op/<activation>.wgsl

const BLOCK: u32 = 16u;

fn factor(r: u32, at: vec4<u32>) -> f32 {
    return values[at.x + r * at.y];
}

fn load(number: u32, column: u32, k: u32, member: Member) -> vec4<f32> {
    let s = stage_of(number);
    let steps = vec4(k, k + 1u, k + 2u, k + 3u);
    let at = column + min(steps, vec4(s.k - 1u)) * s.weight_k;
    let w = vec4(weight(number, at.x, member), weight(number, at.y, member), weight(number, at.z, member), weight(number, at.w, member));
    return select(vec4(0.0), w, steps < vec4(s.k));
}

// `at` is the first row, the lane's first column, the stage, where the member's values begin. Bare sums: `finish` is long.
fn put(r: u32, at: vec4<u32>, sum: vec2<f32>) {
    let s = stage_of(at.z);
    let i = at.w + s.to + (at.x + r) * s.to_row + at.y;
    if at.y < s.to_row {
        values[i] = sum.x;
    }
    if at.y + 8u < s.to_row {
        values[i + 8u] = sum.y;
    }
}

// Each lane finishes what it put.
fn finish_block(number: u32, lane: u32, first: u32, member: Member) {
    let s = stage_of(number);
    for (var i = lane; i < BLOCK * s.to_row; i += 8u) {
        let row = first + i / s.to_row;
        let column = i % s.to_row;
        let at = member.values + s.to + first * s.to_row + i;
        let value = finish(number, values[at], row, min(column, s.n - 1u), member);
        // A row past the last could bring a NaN that no example has.
        values[at] = select(0.0, value, column < s.n && row < params.rows);
    }
}

fn stage(number: u32, lane: u32, first: u32, member: Member) {
    let s = stage_of(number);
    let rows = member.values + s.source + first * s.source_row + lane;
    for (var tile = 0u; tile < s.n; tile += 16u) {
        let column = tile + lane;
        let b0 = min(column, s.n - 1u) * s.weight_n;
        let b1 = min(column + 8u, s.n - 1u) * s.weight_n;
        var sums: Sums;
        for (var k = 0u; k < s.k; k += 8u) {
            let w = Eight(
                load(number, b0, k, member),
                load(number, b0, k + 4u, member),
                load(number, b1, k, member),
                load(number, b1, k + 4u, member),
            );
            add_eight(&sums, vec4(rows + k, s.source_row, 0u, 0u), w);
        }
        put_all(sums, BLOCK, vec4(first, column, number, member.values));
    }
    finish_block(number, lane, first, member);
    storageBarrier();
}

@compute @workgroup_size(8)
fn rows(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let member = member_of(group.z);
    let first = group.x * BLOCK;
    for (var r = 0u; r < BLOCK; r++) {
        let live = first + r < params.rows;
        let start = member.index * params.x_stride + min(first + r, params.rows - 1u) * WIDTH;
        for (var k = lane; k < WIDTH_ROW; k += 8u) {
            let here = live && k < WIDTH;
            values[member.values + (first + r) * WIDTH_ROW + k] = select(0.0, x[start + min(k, WIDTH - 1u)], here);
        }
    }
    storageBarrier();
    there(lane, first, member);
    losses(lane, 8u, first, member);
    storageBarrier();
    back(lane, first, member);
}

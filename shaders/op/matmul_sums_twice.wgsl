// op/matmul_sums.wgsl by pairs of op(A)'s rows, which lie side by side.  Uses: lib/operands_wide.wgsl

fn begin_two(column: u32, member: u32) {}

fn finish_two(sums: vec2<f32>, column: u32, member: u32, place: u32) -> vec2<f32> {
    return sums;
}

fn past_two(index: u32, member: u32) {
    if index < params.m {
        let first = member * params.a_member + index * params.a_row;
        var total = vec2(0.0);
        for (var k = 0u; k < params.k; k++) {
            total += two(a[(first + k * params.a_column) >> 1u]);
        }
        let at = member * params.sum_member + index;
        sums[at] = total.x;
        sums[at + 1u] = total.y;
    }
}

// C = op(A) op(B) and, beside it, the sums of op(A)'s rows: the gradients of a weight and a bias, which read the same dz.
// f64 twins: src/op/matmul.rs, src/op/sum_to.rs. z = member; invocations past the last tile take a sum each.
// Uses: a product as op/matmul.wgsl does

struct Params {
    m: u32,
    n: u32,
    k: u32,
    batch: u32,
    a_row: u32,
    a_column: u32,
    a_batch: u32,
    a_member: u32,
    b_row: u32,
    b_column: u32,
    b_batch: u32,
    b_member: u32,
    c_row: u32,
    c_batch: u32,
    c_member: u32,
    accumulate: u32,
    sum_member: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;

fn begin(member: u32) {}

fn finish(sum: f32, column: u32, member: u32, place: u32) -> f32 {
    return sum;
}

fn past(index: u32, member: u32) {
    if index < params.m {
        let first = member * params.a_member + index * params.a_row;
        var total = 0.0;
        for (var k = 0u; k < params.k; k++) {
            total += a_at(first + k * params.a_column);
        }
        sums[member * params.sum_member + index] = total;
    }
}

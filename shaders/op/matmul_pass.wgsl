// C = pass(op(A) op(B)): a product that goes on through element-wise nodes in its store, as gradients do through an activation.
// f64 twins: src/op/matmul.rs and those of op/pass/. z = member · batch + item.
// Uses: a product as op/matmul.wgsl does, and one of op/pass/

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
    first_member: u32,
    stream: u32,
    rate_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

fn element(place: u32, member: u32) -> u32 {
    return place - member * params.c_member;
}

fn finish(sum: f32, column: u32, member: u32, place: u32) -> f32 {
    return pass_on(sum, place, member);
}

// Invocations past the last tile have nothing to do.
fn past(index: u32, member: u32) {}

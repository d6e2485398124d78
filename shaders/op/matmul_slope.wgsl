// C = f′(s) ⊙ op(A) op(B): a product with the slope of an activation in its store, which is what arrives before the activation.
// f64 twins: src/op/matmul.rs, src/op/unary.rs. z = member · batch + item.
// Uses: a product as op/matmul.wgsl does, and op/<function>.wgsl for `df`

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
}

@group(0) @binding(0) var<uniform> params: Params;
// Lies as C does.
@group(0) @binding(3) var<storage, read> s: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;

fn finish(sum: f32, column: u32, member: u32, place: u32) -> f32 {
    return sum * df(s[place]);
}

// Invocations past the last tile have nothing to do.
fn past(index: u32, member: u32) {}

// C = op(A) op(B): strides say what is transposed. f64 twin: src/op/matmul.rs.
// z = member · batch + item.  Uses: one of lib/product_*.wgsl, with what that uses

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

fn begin(member: u32) {}

fn finish(sum: f32, column: u32, member: u32, place: u32) -> f32 {
    return sum;
}

// Invocations past the last tile have nothing to do.
fn past(index: u32, member: u32) {}

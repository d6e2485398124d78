// y = f(x Wᵀ + b): a product with the bias and the activation in its store. f64 twin: src/op/affine.rs.
// z = member.  Uses: a product as op/matmul.wgsl does, and op/<activation>.wgsl for `f`

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
    bias_member: u32,
    last: u32,
}

override BIAS: bool = true;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(4) var<storage, read> bias: array<f32>;

fn begin(member: u32) {}

// A product cut along K is finished by its last part alone.
fn finish(sum: f32, column: u32, member: u32, place: u32) -> f32 {
    if params.last == 0u {
        return sum;
    }
    if BIAS {
        return f(sum + bias[member * params.bias_member + column]);
    }
    return f(sum);
}

// Invocations past the last tile have nothing to do.
fn past(index: u32, member: u32) {}

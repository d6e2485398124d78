// y = drop(f(x Wᵀ + b)): a product with the bias, the activation and a dropout in its store, in one piece.
// f64 twins: src/op/affine.rs, src/op/dropout.rs. z = member.
// Uses: a product as op/matmul.wgsl does, op/<activation>.wgsl for `f`, lib/fate.wgsl, lib/threefry.wgsl, lib/control.wgsl

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
    first_member: u32,
    stream: u32,
    rate_stride: u32,
}

override BIAS: bool = true;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> rate: array<f32>;
@group(0) @binding(6) var<storage, read> control: array<u32>;

fn begin(member: u32) {
    draw_from(rate[member * params.rate_stride], control_seed(params.first_member + member), params.stream);
}

fn finish(sum: f32, column: u32, member: u32, place: u32) -> f32 {
    var z = sum;
    if BIAS {
        z += bias[member * params.bias_member + column];
    }
    return fall(f(z), place - member * params.c_member);
}

// Invocations past the last tile have nothing to do.
fn past(index: u32, member: u32) {}

// What both kernels of conv2d_input_gradient are given: op/conv2d_input_gradient.wgsl and op/conv2d_input_gradient_subgroup.wgsl. Host: src/op/conv2d/input_gradient.rs.

struct Params {
    h: u32,
    w: u32,
    ho: u32,
    wo: u32,
    kh: u32,
    kw: u32,
    sh: u32,
    sw: u32,
    ph: u32,
    pw: u32,
    dh: u32,
    dw: u32,
    groups: u32,
    inner: u32,
    outer: u32,
    tiles: u32,
    w_stride: u32,
    dy_stride: u32,
    dx_stride: u32,
    // For a part that draws, and one that reads a rate.
    first_member: u32,
    stream: u32,
    rate_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

fn element(place: u32, member: u32) -> u32 {
    return place - member * params.dx_stride;
}

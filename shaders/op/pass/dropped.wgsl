// A gradient goes on through a dropout: the same words are drawn again. Twin: src/op/dropout.rs.
// `element` and `params`, with `rate_stride`, `first_member` and `stream`, come from the kernel's file.
// Uses: lib/fate.wgsl, lib/threefry.wgsl, lib/control.wgsl

@group(0) @binding(4) var<storage, read> rate: array<f32>;
@group(0) @binding(5) var<storage, read> control: array<u32>;

fn begin(member: u32) {
    draw_from(rate[member * params.rate_stride], control_seed(params.first_member + member), params.stream);
}

fn pass_on(value: f32, place: u32, member: u32) -> f32 {
    return fall(value, element(place, member));
}

fn pass_two(values: vec2<f32>, place: u32, member: u32) -> vec2<f32> {
    return fall_two(values, element(place, member));
}

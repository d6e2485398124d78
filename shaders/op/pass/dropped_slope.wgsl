// A gradient goes on through a dropout, whose words are drawn again, and the activation before it: times f′(s). s lies as the result
// does. Twins: src/op/dropout.rs, src/op/unary.rs.
// `element` and `params`, with `rate_stride`, `first_member` and `stream`, come from the kernel's file.
// Uses: lib/fate.wgsl, lib/threefry.wgsl, lib/control.wgsl, op/<function>.wgsl for `df`

@group(0) @binding(4) var<storage, read> rate: array<f32>;
@group(0) @binding(5) var<storage, read> control: array<u32>;
@group(0) @binding(6) var<storage, read> s: array<f32>;

fn begin(member: u32) {
    draw_from(rate[member * params.rate_stride], control_seed(params.first_member + member), params.stream);
}

fn pass_on(value: f32, place: u32, member: u32) -> f32 {
    return fall(value, element(place, member)) * df(s[place]);
}

fn pass_two(values: vec2<f32>, place: u32, member: u32) -> vec2<f32> {
    return fall_two(values, element(place, member)) * vec2(df(s[place]), df(s[place + 1u]));
}

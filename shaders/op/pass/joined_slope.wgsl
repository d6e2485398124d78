// A gradient meets another and goes on through an activation with it: times f′(s). All three lie alike.
// Twins: src/graph/accumulate.rs, src/op/unary.rs.  Uses: op/<function>.wgsl for `df`

@group(0) @binding(4) var<storage, read> other: array<f32>;
@group(0) @binding(5) var<storage, read> s: array<f32>;

fn begin(member: u32) {}

fn pass_on(value: f32, place: u32, member: u32) -> f32 {
    return (value + other[place]) * df(s[place]);
}

fn pass_two(values: vec2<f32>, place: u32, member: u32) -> vec2<f32> {
    return vec2(pass_on(values.x, place, member), pass_on(values.y, place + 1u, member));
}

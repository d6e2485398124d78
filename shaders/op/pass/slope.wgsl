// A gradient goes on through an activation: times f′(s). s lies as the result does. Twin: src/op/unary.rs.
// Uses: op/<function>.wgsl for `df`

@group(0) @binding(4) var<storage, read> s: array<f32>;

fn begin(member: u32) {}

fn pass_on(value: f32, place: u32, member: u32) -> f32 {
    return value * df(s[place]);
}

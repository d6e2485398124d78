// A gradient goes on through an activation: times f′(s). Twin: src/op/unary.rs.
// Uses: op/pass/s.wgsl or op/pass/s_wide.wgsl, op/<function>.wgsl for `df`

fn begin(member: u32) {}

fn pass_on(value: f32, place: u32, member: u32) -> f32 {
    return value * df(s_at(place));
}

fn pass_two(values: vec2<f32>, place: u32, member: u32) -> vec2<f32> {
    let at = s_two(place);
    return values * vec2(df(at.x), df(at.y));
}

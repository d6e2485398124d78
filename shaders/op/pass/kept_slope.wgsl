// A gradient goes on through a dropout and the relu before it: over 1 − p, times relu′. s is what the dropout left:
// above 0 exactly where the relu's output is above 0 and was kept, so that nothing need be drawn again. A gradient
// that is no finite number makes a NaN of every element that is not above 0; the twins have 0 for those that were dropped.
// `params`, with `rate_stride`, comes from the kernel's file. Twins: src/op/dropout.rs, src/op/unary.rs.
// Uses: op/pass/s.wgsl or op/pass/s_wide.wgsl, op/relu.wgsl for `df`

@group(0) @binding(5) var<storage, read> rate: array<f32>;

var<private> kept: f32;

fn begin(member: u32) {
    let p = clamp(rate[member * params.rate_stride], 0.0, 1.0);
    kept = select(1.0 - p, 1.0, p >= 1.0);
}

fn pass_on(value: f32, place: u32, member: u32) -> f32 {
    return value / kept * df(s_at(place));
}

fn pass_two(values: vec2<f32>, place: u32, member: u32) -> vec2<f32> {
    let at = s_two(place);
    return values / kept * vec2(df(at.x), df(at.y));
}

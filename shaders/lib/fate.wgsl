// What becomes of the elements of a dropout, in kernels that make them one by one. As op/dropout.wgsl has it; f64 twin: src/op/dropout.rs.
// Uses: lib/threefry.wgsl, lib/control.wgsl

var<private> fate_key: vec2<u32>;
var<private> fate_threshold: u32;
var<private> fate_kept: f32;
var<private> fate_all: bool;

// Before the first `fall`: the rate, the member's seed, the dropout's stream.
fn draw_from(p: f32, seed: vec2<u32>, stream: u32) {
    let rate = clamp(p, 0.0, 1.0);
    fate_all = rate >= 1.0;
    // Below 1 the product is exact and fits 32 bits.
    fate_threshold = select(u32(rate * 4294967296.0), 0u, fate_all);
    fate_kept = select(1.0 - rate, 1.0, fate_all);
    fate_key = threefry(seed, vec2(control_step(), stream));
}

// Two neighbours, of which the first has an even number: they have one draw.
fn fall_two(values: vec2<f32>, element: u32) -> vec2<f32> {
    let words = threefry(fate_key, vec2(element / 2u, 0u));
    let kept = vec2(!fate_all) & (words >= vec2(fate_threshold));
    return select(vec2(0.0), values / fate_kept, kept);
}

// The value if the element is kept, over 1 − p, or 0.
fn fall(value: f32, element: u32) -> f32 {
    let words = threefry(fate_key, vec2(element / 2u, 0u));
    let word = select(words.x, words.y, element % 2u == 1u);
    return select(0.0, value / fate_kept, !fate_all && word >= fate_threshold);
}

// States as bf16, the upper half of f32. Rounded at random in proportion to what is cut off: with 8 bits of precision a
// running mean with β = 0.999 would else stand still, each step being less than half of the last bit.
// Uses: lib/threefry.wgsl, lib/control.wgsl.  f64 twin: src/optim/storage.rs

fn widened(x: vec2<u32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4(x.x << 16u, x.x & 0xffff0000u, x.y << 16u, x.y & 0xffff0000u));
}

// What all elements' random bits of a state come from: (seed; step and state).
fn salts_of(member: u32, lane: u32) -> array<vec2<u32>, 3> {
    let seed = control_seed(member);
    let step = control_step();
    return array(threefry(seed, vec2(step, 0u)), threefry(seed, vec2(step, 1u)), threefry(seed, vec2(step, 2u)));
}

// 16 random bits an element, two elements a word: a mixing of its place with the salt, whose constants are Wellons'.
fn narrowed(x: vec4<f32>, salt: vec2<u32>, element4: u32) -> vec2<u32> {
    let bits = bitcast<vec4<u32>>(x);
    var random = vec2(2u * element4, 2u * element4 + 1u) ^ salt.xx;
    random = (random ^ (random >> vec2(16u))) * 0x21f0aaadu;
    random = ((random ^ (random >> vec2(15u))) + salt.yy) * 0xd35a2d97u;
    random ^= random >> vec2(15u);
    let noise = vec4(random.x & 0xffffu, random.x >> 16u, random.y & 0xffffu, random.y >> 16u);
    // Infinities and NaNs stay what they are.
    let finite = (bits & vec4(0x7f800000u)) != vec4(0x7f800000u);
    let up = bits + select(vec4(0u), noise, finite);
    return vec2((up.x >> 16u) | (up.y & 0xffff0000u), (up.z >> 16u) | (up.w & 0xffff0000u));
}

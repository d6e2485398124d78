// States as bf16, the upper half of f32. Rounded at random in proportion to what is cut off: with 8 bits of precision a
// running mean with β = 0.999 would else stand still, each step being less than half of the last bit.
// Uses: lib/threefry.wgsl, lib/control.wgsl.  f64 twin: src/optim/storage.rs

fn widened(x: vec2<u32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4(x.x << 16u, x.x & 0xffff0000u, x.y << 16u, x.y & 0xffff0000u));
}

// What all elements' random bits come from: the member's seed, and 4 times the step.
fn salt_of(member: u32) -> vec3<u32> {
    return vec3(control_seed(member), 4u * control_step());
}

// 16 random bits an element, of (seed; step and state; element).
fn narrowed(x: vec4<f32>, salt: vec3<u32>, element4: u32, state: u32) -> vec2<u32> {
    let bits = bitcast<vec4<u32>>(x);
    let random = threefry(salt.xy, vec2(element4, salt.z + state));
    let noise = vec4(random.x & 0xffffu, random.x >> 16u, random.y & 0xffffu, random.y >> 16u);
    // Infinities and NaNs stay what they are.
    let finite = (bits & vec4(0x7f800000u)) != vec4(0x7f800000u);
    let up = (bits + select(vec4(0u), noise, finite)) >> vec4(16u);
    return vec2(up.x | (up.y << 16u), up.z | (up.w << 16u));
}

// States as f16, rounded to the nearest, ties to even. WebGPU's own unpacking needs no f16 of the adapter; its packing may round
// either way, and one that cuts off would bias a running mean: the bits are made here.
// f64 twin: src/optim/storage.rs

fn widened(x: vec2<u32>) -> vec4<f32> {
    return vec4(unpack2x16float(x.x), unpack2x16float(x.y));
}

// Above 65504, f16's largest number, a state is held at it.
fn narrowed(x: vec4<f32>, salt: vec3<u32>, element4: u32, state: u32) -> vec2<u32> {
    let bits = bitcast<vec4<u32>>(x);
    let size = bits & vec4(0x7fffffffu);
    // 65504 in f32; what lies above rounds to it.
    let held = min(size, vec4(0x477fe000u));
    let odd = (held >> vec4(13u)) & vec4(1u);
    // The exponent's bias is 127 in f32 and 15 in f16.
    let normal = (held + vec4(0xfffu) + odd - vec4(0x38000000u)) >> vec4(13u);
    // Below 2⁻¹⁴ f16's numbers are the multiples of 2⁻²⁴; `round` takes ties to even.
    let below = held < vec4(0x38800000u);
    let small = select(vec4<f32>(), bitcast<vec4<f32>>(held), below);
    // An integer below 2²³, added to that, is the last bits of the sum.
    let tiny = bitcast<vec4<u32>>(round(small * 16777216.0) + 8388608.0) - vec4(0x4b000000u);
    let number = select(normal, tiny, below);
    let nan = select(number, vec4(0x7e00u), size > vec4(0x7f800000u));
    let half = nan | ((bits >> vec4(16u)) & vec4(0x8000u));
    return vec2(half.x | (half.y << 16u), half.z | (half.w << 16u));
}

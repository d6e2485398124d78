// States as f16, rounded to the nearest, ties to even. WebGPU's own unpacking needs no f16 of the adapter; its packing may round
// either way, and one that cuts off would bias a running mean: the bits are made here.
// f64 twin: src/optim/storage.rs

fn widened(x: vec2<u32>) -> vec4<f32> {
    return vec4(unpack2x16float(x.x), unpack2x16float(x.y));
}

// Above 65504, f16's largest number, a state is held at it.
fn narrowed(x: vec4<f32>, salt: vec2<u32>, element4: u32) -> vec2<u32> {
    let bits = bitcast<vec4<u32>>(x);
    let size = bits & vec4(0x7fffffffu);
    // 65504 in f32; what lies above rounds to it.
    let held = min(size, vec4(0x477fe000u));
    // From one power of two to the next f16's numbers are 2⁻¹⁰ of it apart; below 2⁻¹⁴ no closer than above.
    let power = max(held & vec4(0x7f800000u), vec4(0x38800000u));
    // 2¹³ times that power: its last bit is their distance, to which a sum with it is rounded.
    let far = power + vec4(0x06800000u);
    let count = bitcast<vec4<u32>>(bitcast<vec4<f32>>(held) + bitcast<vec4<f32>>(far)) - far;
    // The exponent's bias is 127 in f32 and 15 in f16, and the count holds the leading 1.
    let number = (power >> vec4(13u)) + count - vec4(0x1c400u);
    let nan = select(number, vec4(0x7e00u), size > vec4(0x7f800000u));
    let half = nan | ((bits >> vec4(16u)) & vec4(0x8000u));
    return vec2(half.x | (half.y << 16u), half.z | (half.w << 16u));
}

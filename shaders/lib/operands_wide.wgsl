// The operands of a product and its result by integers of 64 bits, two numbers each: a software adapter loads and stores each
// number of each lane by itself, and these are half as many.

@group(0) @binding(1) var<storage, read> a: array<u64>;
@group(0) @binding(2) var<storage, read> b: array<u64>;
@group(0) @binding(3) var<storage, read_write> c: array<u64>;

fn two(x: u64) -> vec2<f32> {
    return bitcast<vec2<f32>>(vec2(u32(x), u32(x >> 32u)));
}

fn pair(x: vec2<f32>) -> u64 {
    let bits = bitcast<vec2<u32>>(x);
    return u64(bits.x) | (u64(bits.y) << 32u);
}

fn a_at(i: u32) -> f32 {
    let x = two(a[i >> 1u]);
    return select(x.x, x.y, (i & 1u) == 1u);
}

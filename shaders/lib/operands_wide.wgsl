// The operands of a product by integers of 64 bits, two numbers each: a software adapter loads each number of each lane by
// itself, and these are half as many.

@group(0) @binding(1) var<storage, read> a: array<u64>;
@group(0) @binding(2) var<storage, read> b: array<u64>;

fn two(x: u64) -> vec2<f32> {
    return bitcast<vec2<f32>>(vec2(u32(x), u32(x >> 32u)));
}

fn a_at(i: u32) -> f32 {
    let x = two(a[i >> 1u]);
    return select(x.x, x.y, (i & 1u) == 1u);
}

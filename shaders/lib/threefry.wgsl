// Threefry-2x32, 20 rounds: adds, rotates and xors, so the bits are those of the host. Twin: src/rng.rs.
// Salmon et al. 2011.

fn rotate_left(x: u32, n: u32) -> u32 {
    return (x << n) | (x >> (32u - n));
}

fn four_rounds(start: vec2<u32>, r: vec4<u32>) -> vec2<u32> {
    var x = start.x;
    var y = start.y;
    x += y; y = rotate_left(y, r.x) ^ x;
    x += y; y = rotate_left(y, r.y) ^ x;
    x += y; y = rotate_left(y, r.z) ^ x;
    x += y; y = rotate_left(y, r.w) ^ x;
    return vec2(x, y);
}

fn threefry(key: vec2<u32>, counter: vec2<u32>) -> vec2<u32> {
    const A = vec4(13u, 15u, 26u, 6u);
    const B = vec4(17u, 29u, 16u, 24u);
    let k2 = key.x ^ key.y ^ 0x1BD11BDAu;
    var c = counter + key;
    c = four_rounds(c, A) + vec2(key.y, k2 + 1u);
    c = four_rounds(c, B) + vec2(k2, key.x + 2u);
    c = four_rounds(c, A) + vec2(key.x, key.y + 3u);
    c = four_rounds(c, B) + vec2(key.y, k2 + 4u);
    c = four_rounds(c, A) + vec2(k2, key.x + 5u);
    return c;
}

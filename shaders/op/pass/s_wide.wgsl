// op/pass/s.wgsl by integers of 64 bits, as lib/operands_wide.wgsl has them; two neighbours begin at an even place.

@group(0) @binding(4) var<storage, read> s: array<u64>;

fn s_at(place: u32) -> f32 {
    return two(s[place >> 1u])[place & 1u];
}

fn s_two(place: u32) -> vec2<f32> {
    return two(s[place >> 1u]);
}

// What a slope is taken of, number by number. It lies as the result does.

@group(0) @binding(4) var<storage, read> s: array<f32>;

fn s_at(place: u32) -> f32 {
    return s[place];
}

fn s_two(place: u32) -> vec2<f32> {
    return vec2(s[place], s[place + 1u]);
}

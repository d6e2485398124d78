// A value goes into memory as it is. See src/op/pass.rs.

fn begin(member: u32) {}

fn pass_on(value: f32, place: u32, member: u32) -> f32 {
    return value;
}

fn pass_two(values: vec2<f32>, place: u32, member: u32) -> vec2<f32> {
    return vec2(pass_on(values.x, place, member), pass_on(values.y, place + 1u, member));
}

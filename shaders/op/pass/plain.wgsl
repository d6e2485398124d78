// A value goes into memory as it is. See src/op/pass.rs.

fn begin(member: u32) {}

fn pass_on(value: f32, place: u32, member: u32) -> f32 {
    return value;
}

// What a product by pairs asks of a kernel that treats each of two neighbours by itself.
// Uses: `finish` of the kernel's file

fn begin_two(column: u32, member: u32) {}

fn finish_two(sums: vec2<f32>, column: u32, member: u32, place: u32) -> vec2<f32> {
    return vec2(finish(sums.x, column, member, place), finish(sums.y, column + 1u, member, place + 1u));
}

// Invocations past the last tile have nothing to do.
fn past_two(index: u32, member: u32) {}

// op/matmul_pass.wgsl by pairs of columns.  Uses: one of op/pass/

fn begin_two(column: u32, member: u32) {}

fn finish_two(sums: vec2<f32>, column: u32, member: u32, place: u32) -> vec2<f32> {
    return pass_two(sums, place, member);
}

// Invocations past the last tile have nothing to do.
fn past_two(index: u32, member: u32) {}

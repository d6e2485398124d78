// op/affine_dropout.wgsl by pairs of columns, whose words are drawn once.
// Uses: op/affine_both.wgsl, op/<activation>.wgsl for `f`, lib/fate.wgsl

fn finish_two(sums: vec2<f32>, column: u32, member: u32, place: u32) -> vec2<f32> {
    let z = biased(sums);
    return fall_two(vec2(f(z.x), f(z.y)), place - member * params.c_member);
}

// Invocations past the last tile have nothing to do.
fn past_two(index: u32, member: u32) {}

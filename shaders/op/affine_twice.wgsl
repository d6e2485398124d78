// op/affine.wgsl by pairs of columns.  Uses: op/affine_both.wgsl, op/<activation>.wgsl for `f`

fn finish_two(sums: vec2<f32>, column: u32, member: u32, place: u32) -> vec2<f32> {
    if params.last == 0u {
        return sums;
    }
    let z = biased(sums);
    return vec2(f(z.x), f(z.y));
}

// Invocations past the last tile have nothing to do.
fn past_two(index: u32, member: u32) {}

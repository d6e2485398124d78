// op/affine.wgsl by pairs of columns, whose bias is read once.  Uses: op/<activation>.wgsl for `f`

var<private> both: vec2<f32>;

fn begin_two(column: u32, member: u32) {
    if BIAS {
        let at = member * params.bias_member + column;
        both = vec2(bias[at], bias[at + 1u]);
    }
}

fn finish_two(sums: vec2<f32>, column: u32, member: u32, place: u32) -> vec2<f32> {
    if params.last == 0u {
        return sums;
    }
    if BIAS {
        return vec2(f(sums.x + both.x), f(sums.y + both.y));
    }
    return vec2(f(sums.x), f(sums.y));
}

// Invocations past the last tile have nothing to do.
fn past_two(index: u32, member: u32) {}

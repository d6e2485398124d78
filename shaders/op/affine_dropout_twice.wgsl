// op/affine_dropout.wgsl by pairs of columns, whose bias is read and whose words are drawn once.
// Uses: op/<activation>.wgsl for `f`, lib/fate.wgsl

var<private> both: vec2<f32>;

fn begin_two(column: u32, member: u32) {
    if BIAS {
        let at = member * params.bias_member + column;
        both = vec2(bias[at], bias[at + 1u]);
    }
}

fn finish_two(sums: vec2<f32>, column: u32, member: u32, place: u32) -> vec2<f32> {
    var z = sums;
    if BIAS {
        z += both;
    }
    return fall_two(vec2(f(z.x), f(z.y)), place - member * params.c_member);
}

// Invocations past the last tile have nothing to do.
fn past_two(index: u32, member: u32) {}

// The bias of a dense layer by pairs of columns, which is read once.
// From the kernel's file: BIAS, `bias`, `params` with `bias_member`

var<private> both: vec2<f32>;

fn begin_two(column: u32, member: u32) {
    if BIAS {
        let at = member * params.bias_member + column;
        both = vec2(bias[at], bias[at + 1u]);
    }
}

fn biased(sums: vec2<f32>) -> vec2<f32> {
    if BIAS {
        return sums + both;
    }
    return sums;
}

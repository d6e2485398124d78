// NaN by bits: a driver may assume that there is none, fold `x != x` away and let max() drop it.
// For kernels without lib/row_invocation.wgsl and lib/row_workgroup.wgsl, which hold the same functions.

fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// Whether `b` takes the place of `a` as the largest so far: it is greater, or the first NaN.
fn beats(b: f32, a: f32) -> bool {
    return !is_nan(a) && (is_nan(b) || b > a);
}

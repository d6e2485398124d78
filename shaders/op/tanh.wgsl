// tanh |x| = −u/(2 + u), u = e^(−2|x|) − 1: no overflow, and relative accuracy near 0, where WGSL's tanh may be off by 1e-5.
// `df` takes the output. Twin: src/op/unary/function.rs.  Uses: lib/expm1.wgsl

fn f(x: f32) -> f32 {
    let u = expm1(-2.0 * abs(x));
    let t = -u / (2.0 + u);
    return select(t, -t, x < 0.0);
}

fn df(y: f32) -> f32 {
    return (1.0 - y) * (1.0 + y);
}

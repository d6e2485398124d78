// x above 0, α(eˣ − 1) below. Clevert et al. 2016. `df` takes the output. Twin: src/op/unary/function.rs.
// Uses: lib/expm1.wgsl

override ALPHA: f32 = 1.0;

fn f(x: f32) -> f32 {
    return select(ALPHA * expm1(min(x, 0.0)), x, x > 0.0);
}

fn df(y: f32) -> f32 {
    return select(y + ALPHA, 1.0, y > 0.0);
}

// max(x, 0), with 0 as the derivative at 0. `df` takes the output. Twin: src/op/unary/function.rs.
// Not max(): it may turn NaN into 0 and hide it.

fn f(x: f32) -> f32 {
    return select(x, 0.0, x < 0.0);
}

fn df(y: f32) -> f32 {
    return select(0.0, 1.0, y > 0.0);
}

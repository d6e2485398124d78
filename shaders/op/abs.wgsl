// |x|, with 0 as the derivative at 0. `df` takes the input. Twin: src/op/unary/function.rs.

fn f(x: f32) -> f32 {
    return abs(x);
}

fn df(x: f32) -> f32 {
    return select(0.0, 1.0, x > 0.0) - select(0.0, 1.0, x < 0.0);
}

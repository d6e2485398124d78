// x². `df` takes the input. Twin: src/op/unary/function.rs.

fn f(x: f32) -> f32 {
    return x * x;
}

fn df(x: f32) -> f32 {
    return 2.0 * x;
}

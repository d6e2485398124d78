// ln x. `df` takes the input. Twin: src/op/unary/function.rs.

fn f(x: f32) -> f32 {
    return log(x);
}

fn df(x: f32) -> f32 {
    return 1.0 / x;
}

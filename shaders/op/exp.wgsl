// eˣ. `df` takes the output. Twin: src/op/unary/function.rs.

fn f(x: f32) -> f32 {
    return exp(x);
}

fn df(y: f32) -> f32 {
    return y;
}

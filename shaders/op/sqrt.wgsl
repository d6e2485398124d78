// √x. `df` takes the output. Twin: src/op/unary/function.rs.

fn f(x: f32) -> f32 {
    return sqrt(x);
}

fn df(y: f32) -> f32 {
    return 0.5 / y;
}

// x σ(x). Elfwing et al. 2018. `df` takes the input. Twin: src/op/unary/function.rs.  Uses: lib/sigmoid.wgsl

fn f(x: f32) -> f32 {
    return x * sigmoid(x);
}

fn df(x: f32) -> f32 {
    return sigmoid(x) * (1.0 + x * sigmoid(-x));
}

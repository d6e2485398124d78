// 1/(1 + e⁻ˣ). `df` takes the output. Twin: src/op/unary/function.rs.  Uses: lib/sigmoid.wgsl

fn f(x: f32) -> f32 {
    return sigmoid(x);
}

fn df(y: f32) -> f32 {
    return y * (1.0 - y);
}

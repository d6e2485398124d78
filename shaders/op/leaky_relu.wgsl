// x above 0, SLOPE·x below. Maas et al. 2013. `df` takes the output. Twin: src/op/unary/function.rs.

override SLOPE: f32 = 0.01;

fn f(x: f32) -> f32 {
    return select(SLOPE * x, x, x > 0.0);
}

fn df(y: f32) -> f32 {
    return select(SLOPE, 1.0, y > 0.0);
}

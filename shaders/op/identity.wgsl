// No activation: f(x) = x. What may have one in its store links it.

fn f(x: f32) -> f32 {
    return x;
}

fn df(y: f32) -> f32 {
    return 1.0;
}

// ℓ = (x − t)². f64 twin: src/loss/mse.rs

fn loss_value(x: f32, t: f32) -> f32 {
    return (x - t) * (x - t);
}

fn loss_slope(x: f32, t: f32) -> f32 {
    return 2.0 * (x - t);
}

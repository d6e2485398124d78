// ℓ = max(x, 0) − x t + ln(1 + exp(−|x|)): no exponent above 0. f64 twin: src/loss/bce_with_logits.rs

fn loss_value(x: f32, t: f32) -> f32 {
    let z = exp(-abs(x));
    // WGSL's log is only good to 2⁻²¹ near 1; the series is cut at z⁴ / 4.
    let log1p = select(log(1.0 + z), z * (1.0 - z * (0.5 - z / 3.0)), z < 0.01);
    return max(x, 0.0) - x * t + log1p;
}

fn loss_slope(x: f32, t: f32) -> f32 {
    let z = exp(-abs(x));
    return select(z, 1.0, x >= 0.0) / (1.0 + z) - t;
}

// 1/(1 + e⁻ˣ) by an exponential that cannot overflow.

fn sigmoid(x: f32) -> f32 {
    let z = exp(-abs(x));
    return select(1.0, z, x < 0.0) / (1.0 + z);
}

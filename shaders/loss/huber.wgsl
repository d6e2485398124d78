// ℓ = ½ d² within 1 of the target, |d| − ½ beyond, d = x − t. f64 twin: src/loss/huber.rs.  Uses: lib/nan.wgsl or lib/row_*.wgsl

fn loss_value(x: f32, t: f32) -> f32 {
    let d = abs(x - t);
    return select(d - 0.5, 0.5 * d * d, d <= 1.0);
}

fn loss_slope(x: f32, t: f32) -> f32 {
    let d = x - t;
    // Not clamp() alone: it may turn NaN into a number and hide it.
    return select(clamp(d, -1.0, 1.0), d, is_nan(d));
}

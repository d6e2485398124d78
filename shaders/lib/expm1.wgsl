// eˣ − 1 without cancellation: Taylor to x⁸/8! for |x| ≤ ½ (truncation 0.2 ε), the exponential outside.

fn expm1(x: f32) -> f32 {
    if abs(x) > 0.5 {
        return exp(x) - 1.0;
    }
    var t = 1.0 + x * 0.125;
    t = 1.0 + x * 0.14285714285714285 * t;
    t = 1.0 + x * 0.16666666666666666 * t;
    t = 1.0 + x * 0.2 * t;
    t = 1.0 + x * 0.25 * t;
    t = 1.0 + x * 0.3333333333333333 * t;
    t = 1.0 + x * 0.5 * t;
    return x * t;
}

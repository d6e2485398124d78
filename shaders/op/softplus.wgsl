// ln(1 + eˣ) = max(x, 0) + ln(1 + e^(−|x|)). `df` takes the output: 1 − e⁻ʸ. Twin: src/op/unary/function.rs.
// ln(1 + z) for z in [0, 1] is 2 artanh s, s = z/(2 + z) ≤ ⅓, by its series to s¹³ (truncation 0.3 ε): WGSL's log may be
// off by 2⁻²¹ there.  Uses: lib/expm1.wgsl

fn log1p_unit(z: f32) -> f32 {
    let s = z / (2.0 + z);
    let w = s * s;
    var t = 0.09090909090909091 + w * 0.07692307692307693;
    t = 0.1111111111111111 + w * t;
    t = 0.14285714285714285 + w * t;
    t = 0.2 + w * t;
    t = 0.3333333333333333 + w * t;
    t = 1.0 + w * t;
    return 2.0 * s * t;
}

fn f(x: f32) -> f32 {
    return select(x, 0.0, x < 0.0) + log1p_unit(exp(-abs(x)));
}

fn df(y: f32) -> f32 {
    return -expm1(-y);
}

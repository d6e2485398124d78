// ½ x (1 + erf(x/√2)), the exact form. Hendrycks & Gimpel 2016. `df` takes the input. Twin: src/op/unary/function.rs.
// Uses: lib/erf.wgsl

const SQRT_HALF = 0.7071067811865476;
const DENSITY = 0.3989422804014327; // 1/√(2π)

fn f(x: f32) -> f32 {
    return 0.5 * x * (1.0 + erf(x * SQRT_HALF));
}

fn df(x: f32) -> f32 {
    return 0.5 * (1.0 + erf(x * SQRT_HALF)) + x * (DENSITY * exp(-0.5 * x * x));
}

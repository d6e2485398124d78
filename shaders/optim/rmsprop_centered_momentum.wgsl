// v, m as in rmsprop_centered, u = g/(√(max(kv − (km)², 0) + ε′) + ε); b = μb + au; p −= xb + yu.
// Hyper: ρ, 1−ρ, k, ε′, ε, λ, κ, η, μ, a, x, y.
// f64 twin: src/optim/rmsprop.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    let d = g + h[5] * p;
    let q = p - h[6] * p;
    let v = h[0] * s.a + h[1] * d * d;
    let m = h[0] * s.b + h[1] * d;
    let mean = m * h[2];
    let variance = max(v * h[2] - mean * mean, vec4<f32>());
    let u = d / (sqrt(variance + h[3]) + h[4]);
    let b = h[8] * s.c + h[9] * u;
    return Updated(q - (h[10] * b + h[11] * u), State(v, m, b));
}

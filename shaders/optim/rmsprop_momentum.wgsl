// v as in rmsprop; u = g/(√(kv + ε′) + ε); b = μb + au; p −= xb + yu. Hyper: ρ, 1−ρ, k, ε′, ε, λ, κ, η, μ, a, x, y.
// f64 twin: src/optim/rmsprop.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    let d = g + h[5] * p;
    let q = p - h[6] * p;
    let v = h[0] * s.a + h[1] * d * d;
    let u = d / (sqrt(v * h[2] + h[3]) + h[4]);
    let b = h[8] * s.b + h[9] * u;
    return Updated(q - (h[10] * b + h[11] * u), State(v, b, s.c));
}

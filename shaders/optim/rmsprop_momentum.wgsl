// v = ρv + (1−ρ)g²; b = μb + g/(√v + ε); p −= ηb, g with λp. Hyper: η, ρ, 1−ρ, ε, μ, λ.
// f64 twin: src/optim/rmsprop.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    let d = g + h[5] * p;
    let v = h[1] * s.a + h[2] * d * d;
    let b = h[4] * s.b + d / (sqrt(v) + h[3]);
    return Updated(p - h[0] * b, State(v, b, s.c));
}

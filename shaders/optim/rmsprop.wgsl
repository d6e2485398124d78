// v = ρv + (1−ρ)g²; p −= ηg/(√v + ε), g with λp. Hyper: η, ρ, 1−ρ, ε, μ, λ.
// f64 twin: src/optim/rmsprop.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    let d = g + h[5] * p;
    let v = h[1] * s.a + h[2] * d * d;
    return Updated(p - h[0] * d / (sqrt(v) + h[3]), State(v, s.b, s.c));
}

// v = ρv + (1−ρ)g²; m = ρm + (1−ρ)g; p −= ηg/(√max(v − m², 0) + ε), g with λp. Hyper: η, ρ, 1−ρ, ε, μ, λ.
// f64 twin: src/optim/rmsprop.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    let d = g + h[5] * p;
    let v = h[1] * s.a + h[2] * d * d;
    let m = h[1] * s.b + h[2] * d;
    let variance = max(v - m * m, vec4<f32>());
    return Updated(p - h[0] * d / (sqrt(variance) + h[3]), State(v, m, s.c));
}

// v = ρv + (1−ρ)g²; p −= ηg/(√(kv + ε′) + ε), g with λp and p after p −= κp. Hyper: ρ, 1−ρ, k, ε′, ε, λ, κ, η.
// f64 twin: src/optim/rmsprop.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    let d = g + h[5] * p;
    let q = p - h[6] * p;
    let v = h[0] * s.a + h[1] * d * d;
    return Updated(q - h[7] * d / (sqrt(v * h[2] + h[3]) + h[4]), State(v, s.b, s.c));
}

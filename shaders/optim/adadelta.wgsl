// v = ρv + (1−ρ)g²; Δ = √(d + ε)/√(v + ε)·g; d = ρd + (1−ρ)Δ²; p −= ηΔ, g with λp and p after p −= κp.
// Hyper: η, ρ, 1−ρ, ε, λ, κ.
// f64 twin: src/optim/adadelta.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    let d = g + h[4] * p;
    let q = p - h[5] * p;
    let v = h[1] * s.a + h[2] * d * d;
    let delta = sqrt(s.b + h[3]) / sqrt(v + h[3]) * d;
    return Updated(q - h[0] * delta, State(v, h[1] * s.b + h[2] * delta * delta, s.c));
}

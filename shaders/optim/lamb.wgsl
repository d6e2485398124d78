// m = β₁m + (1−β₁)g; v = β₂v + (1−β₂)g²; u = m/(1−β₁ᵗ) / (√(v/(1−β₂ᵗ) + ε') + ε) + λp: the direction, which the engine scales by
// the tensor's trust ratio. Hyper: 1/(1−β₁ᵗ), 1/(1−β₂ᵗ), β₁, 1−β₁, β₂, 1−β₂, ε, ε', λ, –, η, ηλ': the last two are the engine's.
// f64 twin: src/optim/lamb.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    let m = h[2] * s.a + h[3] * g;
    let v = h[4] * s.b + h[5] * g * g;
    let u = m * h[0] / (sqrt(v * h[1] + h[7]) + h[6]) + h[8] * p;
    return Updated(u, State(m, v, s.c));
}

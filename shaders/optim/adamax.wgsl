// m = β₁m + (1−β₁)g; u = max(β₂u, |g| + ε); p −= ηλ'p + η/(1−β₁ᵗ)·m / max(u + ε', ε''), g with λp. Of the three ε two are 0.
// Hyper: η/(1−β₁ᵗ), β₁, 1−β₁, β₂, ε, ε', ε'', λ, ηλ'.
// f64 twin: src/optim/adamax.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    let d = g + h[7] * p;
    let m = h[1] * s.a + h[2] * d;
    let u = max(h[3] * s.b, abs(d) + h[4]);
    let below = max(u + h[5], vec4(h[6]));
    return Updated(p - h[8] * p - h[0] * m / below, State(m, u, s.c));
}

// m = β₁m + (1−β₁)g; u = max(β₂u, |g| + ε); p −= ηλ'p + η/(1−β₁ᵗ)·m / (u + ε'), g with λp. Of ε and ε' one is 0, in the
// paper's convention both: the divisor is then 2⁻¹²⁶, the least normal number, where every gradient so far was 0, and m with it.
// Hyper: η/(1−β₁ᵗ), β₁, 1−β₁, β₂, ε, ε', λ, ηλ'.
// f64 twin: src/optim/adamax.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    let d = g + h[6] * p;
    let m = h[1] * s.a + h[2] * d;
    let u = max(h[3] * s.b, abs(d) + h[4]);
    let below = max(u + h[5], vec4<f32>(1.17549435e-38));
    return Updated(p - h[7] * p - h[0] * m / below, State(m, u, s.c));
}

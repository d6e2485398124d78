// m = β₁m + (1−β₁)g; v = β₂v + (1−β₂)g²; p −= α·m / (√(v + ε′)·r + ε), g with λp and p after p −= κp: Adam and AdamW.
// Hyper: α, r, β₁, 1−β₁, β₂, 1−β₂, ε, λ, κ, ε′; α and r hold the bias corrections.
// f64 twin: src/optim/adam.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    let d = g + h[7] * p;
    let q = p - h[8] * p;
    let m = h[2] * s.a + h[3] * d;
    let v = h[4] * s.b + h[5] * d * d;
    return Updated(q - h[0] * m / (sqrt(v + h[9]) * h[1] + h[6]), State(m, v, s.c));
}

// m = β₁m + (1−β₁)g; v = β₂v + (1−β₂)g²; p −= ηλ'p + (a·m + b·g) / (√(v·c + ε') + ε), g with λp. NAdam's and RAdam's, which
// differ in the numbers of the step only: RAdam before its rectification has c = ε' = 0 and ε = 1.
// Hyper: a, b, β₁, 1−β₁, β₂, 1−β₂, c, ε', ε, λ, ηλ'.
// f64 twin: `step` in src/optim/nadam.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    let d = g + h[9] * p;
    let m = h[2] * s.a + h[3] * d;
    let v = h[4] * s.b + h[5] * d * d;
    let mixed = h[0] * m + h[1] * d;
    return Updated(p - h[10] * p - mixed / (sqrt(v * h[6] + h[7]) + h[8]), State(m, v, s.c));
}

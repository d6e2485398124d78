// c += g²; p −= ηg/(√(c + ε′) + ε), g with λp and p after p −= κp. Hyper: η, ε, λ, κ, ε′.
// f64 twin: src/optim/adagrad.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    let d = g + h[2] * p;
    let q = p - h[3] * p;
    let sum = s.a + d * d;
    return Updated(q - h[0] * d / (sqrt(sum + h[4]) + h[1]), State(sum, s.b, s.c));
}

// b = μb + a(g + λp); p −= κp; p += c(μb + a(g + λp)). Hyper: μ, a, c, λ, κ, as for momentum.
// f64 twin: src/optim/nesterov.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    let d = g + h[3] * p;
    let b = h[0] * s.a + h[1] * d;
    let q = p - h[4] * p;
    return Updated(q + h[2] * (h[0] * b + h[1] * d), State(b, s.b, s.c));
}

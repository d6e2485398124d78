// b = μb + a(g + λp); p −= κp; p += cb. Hyper: μ, a, c, λ, κ; (a, c) = (1, −η) or (−η, 1) by convention.
// f64 twin: src/optim/momentum.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    let d = g + h[3] * p;
    let b = h[0] * s.a + h[1] * d;
    let q = p - h[4] * p;
    return Updated(q + h[2] * b, State(b, s.b, s.c));
}

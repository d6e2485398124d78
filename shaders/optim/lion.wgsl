// p −= ηλp + η sign(β₁m + (1−β₁)g); m = β₂m + (1−β₂)g. Hyper: η, β₁, 1−β₁, β₂, 1−β₂, ηλ.
// f64 twin: src/optim/lion.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    let c = h[1] * s.a + h[2] * g;
    let m = h[3] * s.a + h[4] * g;
    return Updated(p - h[5] * p - h[0] * sign(c), State(m, s.b, s.c));
}

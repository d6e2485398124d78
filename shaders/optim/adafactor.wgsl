// p −= h₁p + h₀g, where g is the direction that Adafactor's graph made of the gradient. Hyper: h₀, h₁.
// f64 twin: src/optim/adafactor.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    return Updated(p - h[1] * p - h[0] * g, s);
}

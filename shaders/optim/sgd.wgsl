// p −= η(g + λp). Hyper: η, λ.
// f64 twin: src/optim/sgd.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    let d = g + h[1] * p;
    return Updated(p - h[0] * d, s);
}

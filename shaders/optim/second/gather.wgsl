// s = [s +] w g; p stays: the gradient over all rows, gathered minibatch by minibatch. Hyper: w, and 0 where the sum begins.
// f64 twin: src/optim/second/gather.rs.  Uses: optim/update.wgsl

fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
    // Not a product with 0: what was gathered before may be infinite.
    let before = select(vec4<f32>(), s.a, h[1] > 0.0);
    return Updated(p, State(before + h[0] * g, s.b, s.c));
}

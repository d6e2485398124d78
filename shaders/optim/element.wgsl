// What an update rule is: a function
//
//   fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated
//
// with the arithmetic of `Rule::update` in src/optim/, on four elements at once; states it lacks are 0 and ignored.
// Uses: optim/block.wgsl

struct State {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
}

struct Updated {
    p: vec4<f32>,
    s: State,
}

fn hyper_of(task: Task, lane: u32) -> array<f32, 12> {
    let at = task.numbers_at;
    let eight = fours(at, at + 4u, lane);
    let a = bitcast<vec4<f32>>(eight[0]);
    let b = bitcast<vec4<f32>>(eight[1]);
    let c = bitcast<vec4<f32>>(fours(at + 8u, at + 8u, lane)[0]);
    return array(a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w, c.x, c.y, c.z, c.w);
}

// A NaN stays one: neither comparison holds.
fn cut(g: vec4<f32>, bound: f32) -> vec4<f32> {
    let below = select(g, vec4(bound), g > vec4(bound));
    return select(below, vec4(-bound), below < vec4(-bound));
}

// What an update rule is: a function
//
//   fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated
//
// with the arithmetic of `Rule::update` in src/optim/, on four elements at once; states it lacks are 0 and ignored.
// Uses: lib/control.wgsl

struct State {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
}

struct Updated {
    p: vec4<f32>,
    s: State,
}

fn hyper_of(member: u32, group: u32) -> array<f32, 12> {
    return array(
        hyper_word(member, group, 0u), hyper_word(member, group, 1u), hyper_word(member, group, 2u),
        hyper_word(member, group, 3u), hyper_word(member, group, 4u), hyper_word(member, group, 5u),
        hyper_word(member, group, 6u), hyper_word(member, group, 7u), hyper_word(member, group, 8u),
        hyper_word(member, group, 9u), hyper_word(member, group, 10u), hyper_word(member, group, 11u),
    );
}

// A NaN stays one: neither comparison holds.
fn cut(g: vec4<f32>, bound: f32) -> vec4<f32> {
    let below = select(g, vec4(bound), g > vec4(bound));
    return select(below, vec4(-bound), below < vec4(-bound));
}

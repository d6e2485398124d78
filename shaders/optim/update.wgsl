// What the update kernels with 0, 1, 2 and 3 states (update0 … update3.wgsl) share. A rule is a function
//
//   fn rule(h: array<f32, 12>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated
//
// with the arithmetic of `Rule::update` in src/optim/, on four elements at once; states it lacks are 0 and ignored.
// Uses: lib/control.wgsl, and the kernel's `params`, `segments` and `flags`.

// f64 twin: src/optim/layout.rs, `Span`.
struct Params {
    // vec4s of one member in this launch
    len4: u32,
    // first of them in the whole flat buffer, which `segments` is indexed by
    first4: u32,
    // vec4s between members in the bound buffers
    stride4: u32,
    members: u32,
    groups: u32,
    first_member: u32,
}

struct State {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
}

struct Updated {
    p: vec4<f32>,
    s: State,
}

// vec4s that an invocation updates, a workgroup apart so that neighbours read neighbours. What is equal for a parameter
// group is then read once for all of them: on a software adapter each read costs as much as a vec4's.
override PER: u32 = 1u;
const NO_GROUP = 0xffffffffu;

// First vec4 of an invocation.
fn first_of(invocation: u32) -> u32 {
    return invocation / WORKGROUP * WORKGROUP * PER + invocation % WORKGROUP;
}

// 64 elements, 16 vec4s, share a segment word: tensor in the low 24 bits, parameter group in the high 8.
fn segment_of(i: u32) -> u32 {
    return segments[(params.first4 + i) / 16u];
}

fn hyper_of(group: u32, z: u32) -> array<f32, 12> {
    let slot = control_slot();
    let member = params.first_member + z;
    return array(
        hyper_word(slot, member, group, 0u), hyper_word(slot, member, group, 1u),
        hyper_word(slot, member, group, 2u), hyper_word(slot, member, group, 3u),
        hyper_word(slot, member, group, 4u), hyper_word(slot, member, group, 5u),
        hyper_word(slot, member, group, 6u), hyper_word(slot, member, group, 7u),
        hyper_word(slot, member, group, 8u), hyper_word(slot, member, group, 9u),
        hyper_word(slot, member, group, 10u), hyper_word(slot, member, group, 11u),
    );
}

// By bits: a driver may assume that there are no infinities and NaNs, and fold `x != x` away.
fn not_finite(x: vec4<f32>) -> bool {
    return any((bitcast<vec4<u32>>(x) & vec4(0x7f800000u)) == vec4(0x7f800000u));
}

// flags[2t]: the first step (completed ones count) that saw a non-finite gradient of tensor t; flags[2t + 1]: parameter.
fn report(segment: u32, g: vec4<f32>, p: vec4<f32>) {
    let tensor = segment & 0x00ffffffu;
    if not_finite(g) {
        atomicMin(&flags[2u * tensor], control_step());
    }
    if not_finite(p) {
        atomicMin(&flags[2u * tensor + 1u], control_step());
    }
}

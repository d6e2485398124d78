// Multiplications and additions that wait for nothing but themselves: what the arithmetic gives at best. Each invocation keeps
// vec4s in registers and takes each of them through
//
//     a ← a · factor + term        4 · rounds times
//
// `wide` keeps 8, which hide the latency of a card's units; `narrow` keeps 2, as many as a processor's vector registers hold where
// an invocation is a lane. With factor = term = 1, which the compiler does not know, the sum of all is exact in f32:
// whoever left out a round is found out. Host and twin: src/device/gpu/roof.rs. Uses: lib/grid.wgsl

struct Params {
    rounds: u32,
    factor: f32,
    term: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

fn four(a: vec4<f32>, m: vec4<f32>, t: vec4<f32>) -> vec4<f32> {
    return fma(fma(fma(fma(a, m, t), m, t), m, t), m, t);
}

fn total(a: vec4<f32>) -> f32 {
    return a.x + a.y + a.z + a.w;
}

// Where each lane begins: small whole numbers, all different.
fn start(i: u32, n: u32) -> vec4<f32> {
    return vec4<f32>(f32(i % 8u)) + vec4<f32>(0.0, 1.0, 2.0, 3.0) + f32(4u * n);
}

@compute @workgroup_size(WORKGROUP)
fn narrow(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    let m = vec4<f32>(params.factor);
    let t = vec4<f32>(params.term);
    var a = start(i, 0u);
    var b = start(i, 1u);
    for (var round = 0u; round < params.rounds; round++) {
        a = four(a, m, t);
        b = four(b, m, t);
    }
    y[i] = total(a) + total(b);
}

@compute @workgroup_size(WORKGROUP)
fn wide(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    let m = vec4<f32>(params.factor);
    let t = vec4<f32>(params.term);
    var a = start(i, 0u);
    var b = start(i, 1u);
    var c = start(i, 2u);
    var d = start(i, 3u);
    var e = start(i, 4u);
    var f = start(i, 5u);
    var g = start(i, 6u);
    var h = start(i, 7u);
    for (var round = 0u; round < params.rounds; round++) {
        a = four(a, m, t);
        b = four(b, m, t);
        c = four(c, m, t);
        d = four(d, m, t);
        e = four(e, m, t);
        f = four(f, m, t);
        g = four(g, m, t);
        h = four(h, m, t);
    }
    y[i] = total(a) + total(b) + total(c) + total(d) + total(e) + total(f) + total(g) + total(h);
}

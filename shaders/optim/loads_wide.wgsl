// optim/loads.wgsl by integers of 64 bits: a software adapter loads and stores each number of each lane by itself, and these
// are half as many.

alias Reals = vec2<u64>;
alias Halves = u64;

fn reals(x: Reals) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4(halves(x.x), halves(x.y)));
}

fn held(x: vec4<f32>) -> Reals {
    let bits = bitcast<vec4<u32>>(x);
    return vec2(paired(bits.xy), paired(bits.zw));
}

fn halves(x: Halves) -> vec2<u32> {
    return vec2(u32(x), u32(x >> 32u));
}

fn paired(x: vec2<u32>) -> Halves {
    return u64(x.x) | (u64(x.y) << 32u);
}

// How the streams of an update lie in memory for its loads and stores: four f32, or four numbers of two bytes.

alias Reals = vec4<f32>;
alias Halves = vec2<u32>;

fn reals(x: Reals) -> vec4<f32> {
    return x;
}

fn held(x: vec4<f32>) -> Reals {
    return x;
}

fn halves(x: Halves) -> vec2<u32> {
    return x;
}

fn paired(x: vec2<u32>) -> Halves {
    return x;
}

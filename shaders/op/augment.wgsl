// y = x shifted by a random number of pixels and mirrored at random, example by example; `fill` comes in from outside.
// With `inverse`, each pixel goes back to where it came from, 0 where none came: the derivative.
// f64 twins: src/op/augment.rs, src/op/augment/gradient.rs. x, y [N, C, H, W]; `first` is this launch's first plane [H, W].
// One invocation four pixels, which draw again only where an example ends.
// Uses: lib/grid.wgsl, lib/threefry.wgsl, lib/control.wgsl

struct Params {
    len: u32,
    first: u32,
    channels: u32,
    height: u32,
    width: u32,
    padding: u32,
    flip: u32,
    inverse: u32,
    fill_0: f32,
    fill_1: f32,
    fill_2: f32,
    fill_3: f32,
    first_member: u32,
    stream: u32,
    x_stride: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> control: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// ⌊word · n / 2³²⌋ for n below 2¹⁶: the word in halves, so that no product leaves 32 bits.
fn below(word: u32, n: u32) -> u32 {
    return ((word >> 16u) * n + (((word & 0xFFFFu) * n) >> 16u)) >> 16u;
}

@compute @workgroup_size(WORKGROUP)
fn augment(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let start = 4u * linear_index(id, groups);
    if start >= params.len {
        return;
    }
    let key = threefry(control_seed(params.first_member + id.z), vec2(control_step(), params.stream));
    let fills = vec4(params.fill_0, params.fill_1, params.fill_2, params.fill_3);
    let area = params.height * params.width;
    let mirrored = params.width - 1u;

    var last = 0xFFFFFFFFu;
    var down = 0u;
    var right = 0u;
    var flip = false;
    for (var k = 0u; k < 4u && start + k < params.len; k++) {
        let i = start + k;
        let plane = params.first + i / area;
        let example = plane / params.channels;
        if example != last {
            let block = 4u * example / 2u;
            let shifts = threefry(key, vec2(block, 0u));
            // Negative shifts wrap, and so do the sums below: a place before the image is far behind it.
            down = below(shifts.x, 2u * params.padding + 1u) - params.padding;
            right = below(shifts.y, 2u * params.padding + 1u) - params.padding;
            flip = (threefry(key, vec2(block + 1u, 0u)).x >> 8u) < params.flip;
            last = example;
        }
        let h = i % area / params.width;
        let w = i % params.width;
        var row: u32;
        var column: u32;
        var there: bool;
        if params.inverse != 0u {
            row = h - down;
            let shown = w - right;
            there = row < params.height && shown < params.width;
            column = select(shown, mirrored - shown, flip);
        } else {
            row = h + down;
            column = select(w, mirrored - w, flip) + right;
            there = row < params.height && column < params.width;
        }
        var value = fills[(plane % params.channels) & 3u];
        if there {
            value = x[id.z * params.x_stride + i / area * area + row * params.width + column];
        }
        y[id.z * params.y_stride + i] = value;
    }
}

// dx = dy at each window's winner: its largest pixel, the first of equals; 0 elsewhere. For windows that do not overlap.
// One invocation CELLS neighbouring cells of an image, each a window and the pixels up to the next; a plane has down lines of
// across invocations. No pixel lies in two cells: no atomics, and no search twice.
// f64 twin: src/op/max_pool2d/gradient.rs.
// Uses: lib/grid.wgsl, lib/nan.wgsl, op/<activation>.wgsl for `df`: where x came out of one, the gradient goes on through it

struct Params {
    len: u32,
    h: u32,
    w: u32,
    ho: u32,
    wo: u32,
    down: u32,
    across: u32,
    x_stride: u32,
    dy_stride: u32,
    dx_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

// The window, its step and the padding along H and W; how many cells of a line an invocation has.
override KH: u32;
override KW: u32;
override SH: u32;
override SW: u32;
override PH: u32;
override PW: u32;
override CELLS: u32;

const NOWHERE = 0xffffffffu;

@compute @workgroup_size(WORKGROUP)
fn max_pool2d_gradient_apart(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i >= params.len {
        return;
    }
    let line = i / params.across;
    let plane = line / params.down;
    let a = line - plane * params.down;
    let first = (i - line * params.across) * CELLS;
    let size = params.h * params.w;
    let pixels = id.z * params.x_stride + plane * size;
    let places = id.z * params.dy_stride + (plane * params.ho + a) * params.wo;
    let written = id.z * params.dx_stride + plane * size;
    // Rows and columns of the padding before the image wrap around and are beyond its end.
    let top = a * SH - PH;
    for (var b = first; b < first + CELLS; b++) {
        let left = b * SW - PW;
        var heard = 0.0;
        var winner = NOWHERE;
        var best = 0.0;
        if a < params.ho && b < params.wo {
            heard = dy[places + b];
            for (var r = 0u; r < KH; r++) {
                for (var c = 0u; c < KW; c++) {
                    // Without padding a window lies inside.
                    if (PH == 0u || top + r < params.h) && (PW == 0u || left + c < params.w) {
                        let at = (top + r) * params.w + left + c;
                        let candidate = x[pixels + at];
                        let wins = winner == NOWHERE || beats(candidate, best);
                        winner = select(winner, at, wins);
                        best = select(best, candidate, wins);
                    }
                }
            }
            heard *= df(best);
        }
        for (var r = 0u; r < SH; r++) {
            for (var c = 0u; c < SW; c++) {
                if top + r < params.h && left + c < params.w {
                    let at = (top + r) * params.w + left + c;
                    dx[written + at] = select(0.0, heard, at == winner);
                }
            }
        }
    }
}

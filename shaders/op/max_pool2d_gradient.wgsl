// dx = Σ dy over the windows that the pixel wins: it is their largest, the first of equals. One invocation a pixel, which looks for
// the winner of each window it lies in: no atomics.  f64 twin: src/op/max_pool2d/gradient.rs.
// Uses: lib/grid.wgsl, lib/nan.wgsl, op/<activation>.wgsl for `df`: where x came out of one, the gradient goes on through it

struct Params {
    len: u32,
    h: u32,
    w: u32,
    ho: u32,
    wo: u32,
    kh: u32,
    kw: u32,
    sh: u32,
    sw: u32,
    ph: u32,
    pw: u32,
    x_stride: u32,
    dy_stride: u32,
    dx_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

// The pixel that wins the window which starts at a padded row and column.
fn winner(plane: u32, row: u32, column: u32) -> u32 {
    let top = max(row, params.ph) - params.ph;
    let left = max(column, params.pw) - params.pw;
    let bottom = min(row + params.kh - params.ph, params.h);
    let right = min(column + params.kw - params.pw, params.w);
    var place = plane + top * params.w + left;
    var best = x[place];
    for (var r = top; r < bottom; r++) {
        for (var c = left; c < right; c++) {
            let at = plane + r * params.w + c;
            let candidate = x[at];
            let wins = beats(candidate, best);
            place = select(place, at, wins);
            best = select(best, candidate, wins);
        }
    }
    return place;
}

@compute @workgroup_size(WORKGROUP)
fn max_pool2d_gradient(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i >= params.len {
        return;
    }
    let size = params.h * params.w;
    let plane = i / size;
    let row = i / params.w % params.h + params.ph;
    let column = i % params.w + params.pw;
    // The windows that cover the pixel: those that start at most a kernel before it and not behind it.
    let first_i = (max(row + 1u, params.kh) - params.kh + params.sh - 1u) / params.sh;
    let first_j = (max(column + 1u, params.kw) - params.kw + params.sw - 1u) / params.sw;
    let end_i = min(row / params.sh + 1u, params.ho);
    let end_j = min(column / params.sw + 1u, params.wo);
    let pixels = id.z * params.x_stride + plane * size;
    let pixel = id.z * params.x_stride + i;
    let places = id.z * params.dy_stride + plane * params.ho * params.wo;
    var total = 0.0;
    for (var a = first_i; a < end_i; a++) {
        for (var b = first_j; b < end_j; b++) {
            if winner(pixels, a * params.sh, b * params.sw) == pixel {
                total += dy[places + a * params.wo + b];
            }
        }
    }
    dx[id.z * params.dx_stride + i] = total * df(x[pixel]);
}

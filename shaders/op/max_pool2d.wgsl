// y = the largest of each window of an image; the padding never wins. One invocation a window.
// f64 twin: src/op/max_pool2d.rs.  Uses: lib/grid.wgsl, lib/nan.wgsl

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
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn max_pool2d(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i >= params.len {
        return;
    }
    let area = params.ho * params.wo;
    let plane = id.z * params.x_stride + i / area * params.h * params.w;
    let row = i / params.wo % params.ho * params.sh;
    let column = i % params.wo * params.sw;
    // Padded rows and columns: the image begins at `p`.
    let top = max(row, params.ph) - params.ph;
    let left = max(column, params.pw) - params.pw;
    let bottom = min(row + params.kh - params.ph, params.h);
    let right = min(column + params.kw - params.pw, params.w);
    var best = x[plane + top * params.w + left];
    for (var r = top; r < bottom; r++) {
        for (var c = left; c < right; c++) {
            let candidate = x[plane + r * params.w + c];
            best = select(best, candidate, beats(candidate, best));
        }
    }
    y[id.z * params.y_stride + i] = best;
}

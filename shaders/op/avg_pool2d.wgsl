// y = factor · Σ x over each window of an image, factor = 1/(kh·kw); the padding is 0 and counts. One invocation a window.
// f64 twin: src/op/avg_pool2d.rs.  Uses: lib/grid.wgsl

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
    factor: f32,
    x_stride: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn avg_pool2d(
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
    var total = 0.0;
    for (var r = top; r < bottom; r++) {
        for (var c = left; c < right; c++) {
            total += x[plane + r * params.w + c];
        }
    }
    y[id.z * params.y_stride + i] = params.factor * total;
}

// y[n, o, i, j] = b[o] + Σ w[o, c, u, v] · x[n, c, i·s + u·d − p, j·s + v·d − p]: cross-correlation, Dumoulin & Visin 2016.
// f64 twin: src/op/conv2d.rs.  Uses: lib/grid.wgsl
// An implicit product: one invocation has 4 filters × 4 consecutive places of one image and group in registers and reads the image
// where the patches lie. `inner`, `outer`: channels of x and y in a group. Filters and places past the edge repeat the last one.

struct Params {
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
    dh: u32,
    dw: u32,
    groups: u32,
    inner: u32,
    outer: u32,
    tiles: u32,
    x_stride: u32,
    w_stride: u32,
    bias_stride: u32,
    y_stride: u32,
}

override BIAS: bool = true;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

// `o` is the filter in its group, `channel` among all.
fn store(o: u32, channel: u32, member: u32, base: u32, place: u32, sum: vec4<f32>) {
    let area = params.ho * params.wo;
    if o < params.outer {
        var out = sum;
        if BIAS {
            out += bias[member * params.bias_stride + channel];
        }
        let at = base + channel * area + place;
        y[at] = out.x;
        if place + 1u < area { y[at + 1u] = out.y; }
        if place + 2u < area { y[at + 2u] = out.z; }
        if place + 3u < area { y[at + 3u] = out.w; }
    }
}

@compute @workgroup_size(WORKGROUP)
fn conv2d(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let tile = linear_index(id, groups);
    if tile >= params.tiles {
        return;
    }
    let area = params.ho * params.wo;
    let across = (area + 3u) / 4u;
    let down = (params.outer + 3u) / 4u;
    let place = tile % across * 4u;
    let o = tile / across % down * 4u;
    let image = tile / across / down; // item · groups + group
    let item = image / params.groups;
    let channel = image % params.groups * params.outer + o;

    let places = min(vec4(place, place + 1u, place + 2u, place + 3u), vec4(area - 1u));
    let top = places / params.wo * params.sh;
    let left = places % params.wo * params.sw;
    let taps = params.kh * params.kw;
    let plane = params.h * params.w;
    let x_base = id.z * params.x_stride + image * params.inner * plane;
    let patch_len = params.inner * taps;
    let last = params.outer - 1u - o;
    let w0 = id.z * params.w_stride + channel * patch_len;
    let w1 = w0 + min(1u, last) * patch_len;
    let w2 = w0 + min(2u, last) * patch_len;
    let w3 = w0 + min(3u, last) * patch_len;
    var s0 = vec4(0.0);
    var s1 = vec4(0.0);
    var s2 = vec4(0.0);
    var s3 = vec4(0.0);
    for (var tap = 0u; tap < taps; tap++) {
        // Places above and left of the image wrap around and are outside as well.
        let row = top + (tap / params.kw * params.dh - params.ph);
        let column = left + (tap % params.kw * params.dw - params.pw);
        let inside = (row < vec4(params.h)) & (column < vec4(params.w));
        let at = select(vec4(0u), row * params.w + column, inside) + x_base;
        for (var c = 0u; c < params.inner; c++) {
            let spot = at + c * plane;
            let v = select(vec4(0.0), vec4(x[spot.x], x[spot.y], x[spot.z], x[spot.w]), inside);
            let k = c * taps + tap;
            s0 += weight[w0 + k] * v;
            s1 += weight[w1 + k] * v;
            s2 += weight[w2 + k] * v;
            s3 += weight[w3 + k] * v;
        }
    }
    let base = id.z * params.y_stride + item * params.groups * params.outer * area;
    store(o, channel, id.z, base, place, s0);
    store(o + 1u, channel + 1u, id.z, base, place, s1);
    store(o + 2u, channel + 2u, id.z, base, place, s2);
    store(o + 3u, channel + 3u, id.z, base, place, s3);
}

// y[n, o, i, j] = b[o] + Σ w[o, c, u, v] · x[n, c, i·s + u·d − p, j·s + v·d − p]: cross-correlation, Dumoulin & Visin 2016.
// f64 twin: src/op/conv2d.rs.  Uses: op/conv2d_operands.wgsl, lib/grid.wgsl, op/<activation>.wgsl for `f`, in the store
// An implicit product: one invocation has 4 or 8 filters × 4 consecutive places of one image and group in registers and reads the
// image where the patches lie. `inner`, `outer`: channels of x and y in a group. Those past the edge repeat the last one.
// All invocations of a workgroup have the same filters, so that their weights are read once; `tiles` is N·⌈Ho·Wo/4⌉.

override FILTERS: u32 = 8u;

// `o` is the filter in its group, `at` where its first place lies.
fn store(o: u32, at: u32, left: u32, bias_at: u32, sum: vec4<f32>) {
    if o < params.outer {
        var out = sum;
        if BIAS {
            out += bias[bias_at];
        }
        y[at] = f(out.x);
        if left > 1u { y[at + 1u] = f(out.y); }
        if left > 2u { y[at + 2u] = f(out.z); }
        if left > 3u { y[at + 3u] = f(out.w); }
    }
}

@compute @workgroup_size(WORKGROUP)
fn conv2d(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let area = params.ho * params.wo;
    let across = (area + 3u) / 4u;
    let down = (params.outer + FILTERS - 1u) / FILTERS;
    let number = workgroup_number(workgroup, groups);
    let o = number % down * FILTERS;
    let group = number / down % params.groups;
    let tile = number / down / params.groups * WORKGROUP + local;
    if tile >= params.tiles {
        return;
    }
    let place = tile % across * 4u;
    let item = tile / across;
    let channel = group * params.outer + o;
    let places = min(vec4(place, place + 1u, place + 2u, place + 3u), vec4(area - 1u));
    let top = places / params.wo * params.sh;
    let left = places % params.wo * params.sw;
    let taps = params.kh * params.kw;
    let plane = params.h * params.w;
    let x_base = workgroup.z * params.x_stride + (item * params.groups + group) * params.inner * plane;
    let patch_len = params.inner * taps;
    let last = params.outer - 1u - o;
    let w0 = workgroup.z * params.w_stride + channel * patch_len;
    let w1 = w0 + min(1u, last) * patch_len;
    let w2 = w0 + min(2u, last) * patch_len;
    let w3 = w0 + min(3u, last) * patch_len;
    let w4 = w0 + min(4u, last) * patch_len;
    let w5 = w0 + min(5u, last) * patch_len;
    let w6 = w0 + min(6u, last) * patch_len;
    let w7 = w0 + min(7u, last) * patch_len;
    var s0 = vec4(0.0);
    var s1 = vec4(0.0);
    var s2 = vec4(0.0);
    var s3 = vec4(0.0);
    var s4 = vec4(0.0);
    var s5 = vec4(0.0);
    var s6 = vec4(0.0);
    var s7 = vec4(0.0);
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
            if FILTERS == 8u {
                s4 += weight[w4 + k] * v;
                s5 += weight[w5 + k] * v;
                s6 += weight[w6 + k] * v;
                s7 += weight[w7 + k] * v;
            }
        }
    }
    let at = workgroup.z * params.y_stride + (item * params.groups * params.outer + channel) * area + place;
    let b = workgroup.z * params.bias_stride + channel;
    store(o, at, area - place, b, s0);
    store(o + 1u, at + area, area - place, b + 1u, s1);
    store(o + 2u, at + 2u * area, area - place, b + 2u, s2);
    store(o + 3u, at + 3u * area, area - place, b + 3u, s3);
    if FILTERS == 8u {
        store(o + 4u, at + 4u * area, area - place, b + 4u, s4);
        store(o + 5u, at + 5u * area, area - place, b + 5u, s5);
        store(o + 6u, at + 6u * area, area - place, b + 6u, s6);
        store(o + 7u, at + 7u * area, area - place, b + 7u, s7);
    }
}

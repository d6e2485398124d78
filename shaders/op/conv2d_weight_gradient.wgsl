// dw[o, c, u, v] = Σ dy[n, o, i, j] · x[n, c, i·s + u·d − p, j·s + v·d − p] over images and places.
// f64 twin: src/op/conv2d/weight_gradient.rs.  Uses: op/conv2d_weight_gradient_operands.wgsl, lib/grid.wgsl
// Part p sums `chunk` of the `rows` = N·Ho rows of places into dw[p]; reduce.wgsl adds up the parts. One invocation has 4 or 8
// filters × 4 consecutive taps (c, u, v) of one group and part in registers. Those past the edge repeat the last one.

override FILTERS: u32 = 8u;

fn store(o: u32, base: u32, k: u32, sum: vec4<f32>) {
    let patch_len = params.inner * params.kh * params.kw;
    if o < params.outer {
        let at = base + o * patch_len + k;
        dw[at] = sum.x;
        if k + 1u < patch_len { dw[at + 1u] = sum.y; }
        if k + 2u < patch_len { dw[at + 2u] = sum.z; }
        if k + 3u < patch_len { dw[at + 3u] = sum.w; }
    }
}

@compute @workgroup_size(WORKGROUP)
fn conv2d_weight_gradient(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let tile = linear_index(id, groups);
    if tile >= params.tiles {
        return;
    }
    let taps = params.kh * params.kw;
    let patch_len = params.inner * taps;
    let across = (patch_len + 3u) / 4u;
    let down = (params.outer + FILTERS - 1u) / FILTERS;
    let first = tile % across * 4u;
    let o = tile / across % down * FILTERS;
    let group = tile / across / down % params.groups;
    let part = tile / across / down / params.groups;

    let k = min(vec4(first, first + 1u, first + 2u, first + 3u), vec4(patch_len - 1u));
    // Taps above and left of the image wrap around and are outside as well.
    let above = k % taps / params.kw * params.dh - params.ph;
    let left = k % params.kw * params.dw - params.pw;
    let plane = params.h * params.w;
    let area = params.ho * params.wo;
    let channel = k / taps * plane;
    let last = params.outer - 1u - o;
    var s0 = vec4(0.0);
    var s1 = vec4(0.0);
    var s2 = vec4(0.0);
    var s3 = vec4(0.0);
    var s4 = vec4(0.0);
    var s5 = vec4(0.0);
    var s6 = vec4(0.0);
    var s7 = vec4(0.0);
    let end = min((part + 1u) * params.chunk, params.rows);
    for (var r = part * params.chunk; r < end; r++) {
        let image = r / params.ho * params.groups + group;
        let row = r % params.ho * params.sh + above;
        let line = id.z * params.x_stride + image * params.inner * plane + channel + row * params.w;
        // In a row outside of the image no column is inside.
        let width = select(vec4(0u), vec4(params.w), row < vec4(params.h));
        let d0 = id.z * params.dy_stride + (image * params.outer + o) * area + r % params.ho * params.wo;
        let d1 = d0 + min(1u, last) * area;
        let d2 = d0 + min(2u, last) * area;
        let d3 = d0 + min(3u, last) * area;
        let d4 = d0 + min(4u, last) * area;
        let d5 = d0 + min(5u, last) * area;
        let d6 = d0 + min(6u, last) * area;
        let d7 = d0 + min(7u, last) * area;
        for (var j = 0u; j < params.wo; j++) {
            let column = j * params.sw + left;
            let inside = column < width;
            let at = select(vec4(0u), line + column, inside);
            let v = select(vec4(0.0), vec4(x[at.x], x[at.y], x[at.z], x[at.w]), inside);
            s0 += dy[d0 + j] * v;
            s1 += dy[d1 + j] * v;
            s2 += dy[d2 + j] * v;
            s3 += dy[d3 + j] * v;
            if FILTERS == 8u {
                s4 += dy[d4 + j] * v;
                s5 += dy[d5 + j] * v;
                s6 += dy[d6 + j] * v;
                s7 += dy[d7 + j] * v;
            }
        }
    }
    let len = params.groups * params.outer * patch_len;
    let base = id.z * params.dw_stride + (params.first_part + part) * len + group * params.outer * patch_len;
    store(o, base, first, s0);
    store(o + 1u, base, first, s1);
    store(o + 2u, base, first, s2);
    store(o + 3u, base, first, s3);
    if FILTERS == 8u {
        store(o + 4u, base, first, s4);
        store(o + 5u, base, first, s5);
        store(o + 6u, base, first, s6);
        store(o + 7u, base, first, s7);
    }
}

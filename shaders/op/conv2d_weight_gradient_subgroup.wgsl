// dw[o, c, u, v] = Σ dy[n, o, i, j] · x[n, c, i·s + u·d − p, j·s + v·d − p] over images and places, by subgroups of 8: ROWS
// filters × 16 taps a workgroup, two taps a lane, eight places at a time. For software adapters.
// f64 twin: src/op/conv2d/weight_gradient.rs.  Uses: op/conv2d_weight_gradient_operands.wgsl, lib/patch.wgsl, lib/eight.wgsl, lib/grid.wgsl
// Part p sums `chunk` of the `rows` = N·Ho·Wo places into dw[p]; reduce.wgsl adds up the parts. `tiles` is all workgroups.

// Taps and places are (row, column, where); taps above and left of the image wrap around and are outside as well.
fn seen(at: vec3<u32>, to: vec3<u32>) -> f32 {
    let spot = at + to;
    let inside = (spot.x < params.h) & (spot.y < params.w);
    return select(0.0, x[select(0u, spot.z, inside)], inside);
}

// The tap of this number, as `seen` takes it.
fn tap(number: u32) -> vec3<u32> {
    let n = digits(min(number, params.inner * params.kh * params.kw - 1u), vec2(params.kh, params.kw));
    let row = n.y * params.dh - params.ph;
    let column = n.z * params.dw - params.pw;
    return vec3(row, column, n.x * params.h * params.w + row * params.w + column);
}

// `at` is the first filter's dy at this lane's place, the last filter, how far filters are apart, whether there is such a place.
fn factor(r: u32, at: vec4<u32>) -> f32 {
    return select(0.0, dy[at.x + min(r, at.y) * at.z], at.w == 1u);
}

// `at` is the first filter's first tap, the lane's first tap.
fn put(r: u32, at: vec4<u32>, sum: vec2<f32>) {
    let patch_len = params.inner * params.kh * params.kw;
    let i = at.x + r * patch_len + at.y;
    if at.y < patch_len { dw[i] = sum.x; }
    if at.y + 8u < patch_len { dw[i + 8u] = sum.y; }
}

@compute @workgroup_size(8)
fn conv2d_weight_gradient(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let tile = workgroup_number(workgroup, groups);
    if tile >= params.tiles {
        return;
    }
    let patch_len = params.inner * params.kh * params.kw;
    let across = (patch_len + 15u) / 16u;
    let down = (params.outer + ROWS - 1u) / ROWS;
    let k = tile % across * 16u + lane;
    let o = tile / across % down * ROWS;
    let group = tile / across / down % params.groups;
    let part = tile / across / down / params.groups;
    let at = tap(k);
    let on = tap(k + 8u);
    let area = params.ho * params.wo;
    let last = params.outer - 1u - o;
    let radix = vec2(params.ho, params.wo);
    let step = digits(8u, radix);
    let first = part * params.chunk;
    let end = min(first + params.chunk, params.rows);
    var place = digits(first + lane, radix);
    var sums: Sums;
    for (var start = first; start < end; start += 8u) {
        let there = start + lane < end;
        let image = place.x * params.groups + group;
        let top = place.y * params.sh;
        let left = place.z * params.sw;
        let base = workgroup.z * params.x_stride + image * params.inner * params.h * params.w;
        // A place past the end is far below any image.
        let w = eight_seen(at, on, vec3(select(1u << 30u, top, there), left, base + top * params.w + left));
        let heard = workgroup.z * params.dy_stride + (image * params.outer + o) * area + place.y * params.wo + place.z;
        let d = select(0u, heard, there);
        let stride = select(0u, area, there);
        add_eight(&sums, vec4(d, last, stride, u32(there)), w);
        place = advance(place, step, radix);
    }
    let len = params.groups * params.outer * patch_len;
    let base = workgroup.z * params.dw_stride + (params.first_part + part) * len + (group * params.outer + o) * patch_len;
    put_all(sums, last + 1u, vec4(base, k, 0u, 0u));
}

// y[n, o, i, j] = b[o] + Σ w[o, c, u, v] · x[n, c, i·s + u·d − p, j·s + v·d − p], by subgroups of 8: ROWS filters × 16 places
// a workgroup, two places a lane, eight taps at a time. `tiles` is N·Ho·Wo, all places. For software adapters.
// f64 twin: src/op/conv2d.rs.
// Uses: op/conv2d_operands.wgsl, lib/patch.wgsl, lib/eight.wgsl, lib/grid.wgsl, op/<activation>.wgsl for `f`, in the store

// Places and taps are (row, column, where); those above and left of the image wrap around and are outside as well.
fn seen(at: vec3<u32>, to: vec3<u32>) -> f32 {
    let spot = at + to;
    let inside = (spot.x < params.h) & (spot.y < params.w);
    return select(0.0, x[select(0u, spot.z, inside)], inside);
}

// `at` is the first filter's weights, the last filter, this lane's tap.
fn factor(r: u32, at: vec4<u32>) -> f32 {
    let patch_len = params.inner * params.kh * params.kw;
    return select(0.0, weight[at.x + min(r, at.y) * patch_len + min(at.z, patch_len - 1u)], at.z < patch_len);
}

// `at` is the first filter's output at the two places, the number of the first place, the first filter's bias.
fn put(r: u32, at: vec4<u32>, sum: vec2<f32>) {
    let area = params.ho * params.wo;
    var out = sum;
    if BIAS {
        out += bias[at.w + r];
    }
    if at.z < params.tiles { y[at.x + r * area] = f(out.x); }
    if at.z + 8u < params.tiles { y[at.y + r * area] = f(out.y); }
}

// The place of this number, as `seen` takes it, and where the group's outputs for it begin.
fn place(number: u32, group: u32, member: u32) -> vec4<u32> {
    let n = digits(min(number, params.tiles - 1u), vec2(params.ho, params.wo));
    let image = n.x * params.groups + group;
    let top = n.y * params.sh;
    let left = n.z * params.sw;
    let base = member * params.x_stride + image * params.inner * params.h * params.w;
    let out = member * params.y_stride + image * params.outer * params.ho * params.wo + n.y * params.wo + n.z;
    return vec4(top, left, base + top * params.w + left, out);
}

@compute @workgroup_size(8)
fn conv2d(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let down = (params.outer + ROWS - 1u) / ROWS;
    let tile = workgroup_number(workgroup, groups);
    let o = tile % down * ROWS;
    let group = tile / down % params.groups;
    let number = tile / down / params.groups * 16u + lane;
    if number - lane >= params.tiles {
        return;
    }
    let member = workgroup.z;
    let at = place(number, group, member);
    let on = place(number + 8u, group, member);
    let patch_len = params.inner * params.kh * params.kw;
    let channel = group * params.outer + o;
    let last = params.outer - 1u - o;
    let base = member * params.w_stride + channel * patch_len;
    let radix = vec2(params.kh, params.kw);
    let step = digits(8u, radix);
    var tap = digits(lane, radix);
    var sums: Sums;
    for (var start = 0u; start < patch_len; start += 8u) {
        let k = start + lane;
        let row = tap.y * params.dh - params.ph;
        let column = tap.z * params.dw - params.pw;
        let spot = tap.x * params.h * params.w + row * params.w + column;
        // A tap past the patch is far below any image.
        let w = eight_seen(at.xyz, on.xyz, vec3(select(1u << 30u, row, k < patch_len), column, spot));
        add_eight(&sums, vec4(base, last, k, 0u), w);
        tap = advance(tap, step, radix);
    }
    let out = vec2(at.w, on.w) + o * params.ho * params.wo;
    let bias_at = member * params.bias_stride + channel;
    put_all(sums, last + 1u, vec4(out, number, bias_at));
}

// dx[n, c, h, w] = Σ w[o, c, u, v] · dy[n, o, i, j] over the places with h = i·s + u·d − p, w alike, by subgroups of 8: ROWS
// channels × 16 pixels a workgroup, two pixels a lane, eight (o, u, v) at a time. `tiles` is N·H·W. For software adapters.
// f64 twin: src/op/conv2d/input_gradient.rs.
// Uses: op/conv2d_input_gradient_operands.wgsl, lib/patch.wgsl, lib/eight.wgsl, lib/grid.wgsl, one of op/pass/

// Whether both strides are 1.
override UNIT: bool = false;

// Pixels are (row, column, first dy of the image), taps (row, column, first dy of the filter). A window that would start
// before the first one wraps around and is beyond the last.
fn seen(at: vec3<u32>, to: vec3<u32>) -> f32 {
    let spot = at + to;
    var i = spot.xy;
    var heard = true;
    if !UNIT {
        i = spot.xy / vec2(params.sh, params.sw);
        heard = all(i * vec2(params.sh, params.sw) == spot.xy);
    }
    heard = heard & (i.x < params.ho) & (i.y < params.wo);
    return select(0.0, dy[select(0u, spot.z + i.x * params.wo + i.y, heard)], heard);
}

// `at` is the first channel's weight for this lane's step, the last channel, whether there is such a step.
fn factor(r: u32, at: vec4<u32>) -> f32 {
    return select(0.0, weight[at.x + min(r, at.y) * params.kh * params.kw], at.z == 1u);
}

// `at` is the first channel's value at the two pixels, the number of the first pixel, the member.
fn put(r: u32, at: vec4<u32>, sum: vec2<f32>) {
    let plane = params.h * params.w;
    let first = at.x + r * plane;
    let second = at.y + r * plane;
    if at.z < params.tiles { dx[first] = pass_on(sum.x, first, at.w); }
    if at.z + 8u < params.tiles { dx[second] = pass_on(sum.y, second, at.w); }
}

// The pixel of this number, as `seen` takes it, and where the group's pixels of that place begin.
fn pixel(number: u32, group: u32, member: u32) -> vec4<u32> {
    let n = digits(min(number, params.tiles - 1u), vec2(params.h, params.w));
    let image = n.x * params.groups + group;
    let base = member * params.dy_stride + image * params.outer * params.ho * params.wo;
    let out = member * params.dx_stride + image * params.inner * params.h * params.w + n.y * params.w + n.z;
    return vec4(n.y, n.z, base, out);
}

@compute @workgroup_size(8)
fn conv2d_input_gradient(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let down = (params.inner + ROWS - 1u) / ROWS;
    let tile = workgroup_number(workgroup, groups);
    let c = tile % down * ROWS;
    let group = tile / down % params.groups;
    let number = tile / down / params.groups * 16u + lane;
    if number - lane >= params.tiles {
        return;
    }
    let at = pixel(number, group, workgroup.z);
    let on = pixel(number + 8u, group, workgroup.z);
    let taps = params.kh * params.kw;
    let patch_len = params.inner * taps;
    let len = params.outer * taps;
    let last = params.inner - 1u - c;
    let base = workgroup.z * params.w_stride + group * params.outer * patch_len + c * taps;
    let radix = vec2(params.kh, params.kw);
    let step = digits(8u, radix);
    var tap = digits(lane, radix);
    var sums: Sums;
    for (var start = 0u; start < len; start += 8u) {
        let there = start + lane < len;
        let k = select(0u, tap.x * patch_len + tap.y * params.kw + tap.z, there);
        let row = select(1u << 31u, params.ph - tap.y * params.dh, there);
        let w = eight_seen(at.xyz, on.xyz, vec3(row, params.pw - tap.z * params.dw, tap.x * params.ho * params.wo));
        add_eight(&sums, vec4(base + k, last, u32(there), 0u), w);
        tap = advance(tap, step, radix);
    }
    let out = vec2(at.w, on.w) + c * params.h * params.w;
    begin(workgroup.z);
    put_all(sums, last + 1u, vec4(out, number, workgroup.z));
}

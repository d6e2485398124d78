// dx[n, c, h, w] = Σ w[o, c, u, v] · dy[n, o, i, j] over the places with h = i·s + u·d − p, w alike.
// f64 twin: src/op/conv2d/input_gradient.rs.  Uses: op/conv2d_input_gradient_operands.wgsl, lib/grid.wgsl, one of op/pass/
// One invocation has 4 or 8 channels × 4 consecutive pixels of one image and group in registers and gathers what arrives: no
// atomics. `inner`, `outer`: channels of x and y in a group. Those past the edge repeat the last one.
// All invocations of a workgroup have the same channels, so that their weights are read once; `tiles` is N·⌈H·W/4⌉.

override CHANNELS: u32 = 8u;

fn store(c: u32, base: u32, pixel: u32, member: u32, sum: vec4<f32>) {
    let plane = params.h * params.w;
    if c < params.inner {
        let at = base + c * plane + pixel;
        dx[at] = pass_on(sum.x, at, member);
        if pixel + 1u < plane { dx[at + 1u] = pass_on(sum.y, at + 1u, member); }
        if pixel + 2u < plane { dx[at + 2u] = pass_on(sum.z, at + 2u, member); }
        if pixel + 3u < plane { dx[at + 3u] = pass_on(sum.w, at + 3u, member); }
    }
}

@compute @workgroup_size(WORKGROUP)
fn conv2d_input_gradient(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let plane = params.h * params.w;
    let across = (plane + 3u) / 4u;
    let down = (params.inner + CHANNELS - 1u) / CHANNELS;
    let number = workgroup_number(workgroup, groups);
    let c = number % down * CHANNELS;
    let group = number / down % params.groups;
    let tile = number / down / params.groups * WORKGROUP + local;
    if tile >= params.tiles {
        return;
    }
    let pixel = tile % across * 4u;
    let image = tile / across * params.groups + group;

    let pixels = min(vec4(pixel, pixel + 1u, pixel + 2u, pixel + 3u), vec4(plane - 1u));
    let area = params.ho * params.wo;
    let taps = params.kh * params.kw;
    let patch_len = params.inner * taps;
    let dy_base = workgroup.z * params.dy_stride + image * params.outer * area;
    let last = params.inner - 1u - c;
    let w0 = workgroup.z * params.w_stride + group * params.outer * patch_len + c * taps;
    let w1 = w0 + min(1u, last) * taps;
    let w2 = w0 + min(2u, last) * taps;
    let w3 = w0 + min(3u, last) * taps;
    let w4 = w0 + min(4u, last) * taps;
    let w5 = w0 + min(5u, last) * taps;
    let w6 = w0 + min(6u, last) * taps;
    let w7 = w0 + min(7u, last) * taps;
    var s0 = vec4(0.0);
    var s1 = vec4(0.0);
    var s2 = vec4(0.0);
    var s3 = vec4(0.0);
    var s4 = vec4(0.0);
    var s5 = vec4(0.0);
    var s6 = vec4(0.0);
    var s7 = vec4(0.0);
    for (var tap = 0u; tap < taps; tap++) {
        // A window that would start before the first one wraps around and is beyond the last.
        let top = pixels / params.w + (params.ph - tap / params.kw * params.dh);
        let left = pixels % params.w + (params.pw - tap % params.kw * params.dw);
        let i = top / params.sh;
        let j = left / params.sw;
        let heard = (i * params.sh == top) & (i < vec4(params.ho)) & (j * params.sw == left) & (j < vec4(params.wo));
        if !any(heard) {
            continue;
        }
        let at = select(vec4(0u), i * params.wo + j, heard) + dy_base;
        for (var o = 0u; o < params.outer; o++) {
            let spot = at + o * area;
            let v = select(vec4(0.0), vec4(dy[spot.x], dy[spot.y], dy[spot.z], dy[spot.w]), heard);
            let k = o * patch_len + tap;
            s0 += weight[w0 + k] * v;
            s1 += weight[w1 + k] * v;
            s2 += weight[w2 + k] * v;
            s3 += weight[w3 + k] * v;
            if CHANNELS == 8u {
                s4 += weight[w4 + k] * v;
                s5 += weight[w5 + k] * v;
                s6 += weight[w6 + k] * v;
                s7 += weight[w7 + k] * v;
            }
        }
    }
    let base = workgroup.z * params.dx_stride + image * params.inner * plane;
    let member = workgroup.z;
    begin(member);
    store(c, base, pixel, member, s0);
    store(c + 1u, base, pixel, member, s1);
    store(c + 2u, base, pixel, member, s2);
    store(c + 3u, base, pixel, member, s3);
    if CHANNELS == 8u {
        store(c + 4u, base, pixel, member, s4);
        store(c + 5u, base, pixel, member, s5);
        store(c + 6u, base, pixel, member, s6);
        store(c + 7u, base, pixel, member, s7);
    }
}

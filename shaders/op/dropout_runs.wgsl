// y = x / (1 − p) where the word of the element's run is at least ⌊p · 2³²⌋, 0 elsewhere: whole channels of images.
// f64 twin: src/op/dropout.rs. The words are Threefry's of (seed, step, stream, run): the same bits as on the host.
// One invocation four elements, which draw again only where a run ends.  Uses: lib/grid.wgsl, lib/threefry.wgsl, lib/control.wgsl

struct Params {
    len: u32,
    first: u32,
    first_member: u32,
    stream: u32,
    x_stride: u32,
    p_stride: u32,
    y_stride: u32,
    run: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> p: array<f32>;
@group(0) @binding(3) var<storage, read> control: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn dropout_runs(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let start = 4u * linear_index(id, groups);
    if start >= params.len {
        return;
    }
    let rate = clamp(p[id.z * params.p_stride], 0.0, 1.0);
    // Below 1 the product is exact and fits 32 bits.
    let all = rate >= 1.0;
    let threshold = select(u32(rate * 4294967296.0), 0u, all);
    let kept = select(1.0 - rate, 1.0, all);

    let key = threefry(control_seed(params.first_member + id.z), vec2(control_step(), params.stream));
    var last = 0xFFFFFFFFu;
    var word = 0u;
    for (var k = 0u; k < 4u && start + k < params.len; k++) {
        let run = (params.first + start + k) / params.run;
        if run != last {
            word = threefry(key, vec2(run / 2u, 0u))[run % 2u];
            last = run;
        }
        let value = x[id.z * params.x_stride + start + k] / kept;
        y[id.z * params.y_stride + start + k] = select(0.0, value, !all && word >= threshold);
    }
}

// to = c to + a x, where a may be one of the scalars that device/vector_coefficient.wgsl left. With c = 0 whatever `to` held is
// forgotten, NaN too.  Uses: lib/grid.wgsl

struct Params {
    len: u32,
    // 1: a is the scalar at `slot`
    computed: u32,
    slot: u32,
    a: f32,
    c: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scalars: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> to: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn vector_blend(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i < params.len {
        var a = params.a;
        if params.computed == 1u {
            a = scalars[params.slot];
        }
        let kept = select(params.c * to[i], 0.0, params.c == 0.0);
        to[i] = kept + a * x[i];
    }
}

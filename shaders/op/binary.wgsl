// y = f(a, b), element by element, operands broadcast by strides; `f` comes from the operation's own file.
// Axes are numbered from the innermost; RANK of them remain after the host merged neighbours.
// f64 twin: src/op/binary.rs.  Uses: lib/grid.wgsl

struct Params {
    len: u32,
    a_stride: u32,
    b_stride: u32,
    y_stride: u32,
    d0: u32,
    d1: u32,
    d2: u32,
    d3: u32,
    d4: u32,
    a0: u32,
    a1: u32,
    a2: u32,
    a3: u32,
    a4: u32,
    a5: u32,
    b0: u32,
    b1: u32,
    b2: u32,
    b3: u32,
    b4: u32,
    b5: u32,
}

override RANK: u32 = 1u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// Where element i of the result finds its operands; the outermost axis is what is left.
fn operands(i: u32) -> vec2<u32> {
    var rest = i;
    var at = vec2(0u);
    if RANK == 1u { return rest * vec2(params.a0, params.b0); }
    at += rest % params.d0 * vec2(params.a0, params.b0);
    rest /= params.d0;
    if RANK == 2u { return at + rest * vec2(params.a1, params.b1); }
    at += rest % params.d1 * vec2(params.a1, params.b1);
    rest /= params.d1;
    if RANK == 3u { return at + rest * vec2(params.a2, params.b2); }
    at += rest % params.d2 * vec2(params.a2, params.b2);
    rest /= params.d2;
    if RANK == 4u { return at + rest * vec2(params.a3, params.b3); }
    at += rest % params.d3 * vec2(params.a3, params.b3);
    rest /= params.d3;
    if RANK == 5u { return at + rest * vec2(params.a4, params.b4); }
    at += rest % params.d4 * vec2(params.a4, params.b4);
    rest /= params.d4;
    return at + rest * vec2(params.a5, params.b5);
}

@compute @workgroup_size(WORKGROUP)
fn binary(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i < params.len {
        let at = operands(i) + id.z * vec2(params.a_stride, params.b_stride);
        y[id.z * params.y_stride + i] = f(a[at.x], b[at.y]);
    }
}

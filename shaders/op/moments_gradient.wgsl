// dx = (dy[0, s] + 2 (x − mean) dy[1, s]) / m for x of set s. f64 twin: src/op/moments/gradient.rs.
// One invocation an element.  Uses: lib/grid.wgsl

struct Params {
    len: u32,
    first: u32,
    inner: u32,
    sets: u32,
    share: f32,
    dy_stride: u32,
    x_stride: u32,
    moments_stride: u32,
    dx_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> moments: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn moments_gradient(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = linear_index(id, groups);
    if i >= params.len {
        return;
    }
    let own = (params.first + i) / params.inner % params.sets;
    let at = id.z * params.dy_stride + own;
    let centred = x[id.z * params.x_stride + i] - moments[id.z * params.moments_stride + own];
    let slope = 2.0 * centred * dy[at + params.sets];
    dx[id.z * params.dx_stride + i] = (dy[at] + slope) * params.share;
}

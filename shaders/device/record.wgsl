// The last launch of a step: writes the step's four scalars into the ring and moves the control words on.
// One workgroup, so that nobody reads a word after it has moved.  Uses: lib/control.wgsl

struct Params {
    members: u32,
    rows: u32,
    // 1 in training, 0 in evaluation: the generator's step counts updates.
    advance: u32,
    a_stride: u32,
    b_stride: u32,
    c_stride: u32,
    d_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> control: array<u32>;
@group(0) @binding(2) var<storage, read_write> ring: array<f32>;
@group(0) @binding(3) var<storage, read> a: array<f32>;
@group(0) @binding(4) var<storage, read> b: array<f32>;
@group(0) @binding(5) var<storage, read> c: array<f32>;
@group(0) @binding(6) var<storage, read> d: array<f32>;

@compute @workgroup_size(64)
fn record(@builtin(local_invocation_index) lane: u32) {
    let slot = control_slot();
    for (var m = lane; m < params.members; m += 64u) {
        let at = (slot * params.members + m) * 4u;
        ring[at] = a[m * params.a_stride];
        ring[at + 1u] = b[m * params.b_stride];
        ring[at + 2u] = c[m * params.c_stride];
        ring[at + 3u] = d[m * params.d_stride];
    }
    storageBarrier();
    workgroupBarrier();
    if lane == 0u {
        control[0] += params.advance;
        control[1] += params.rows;
        control[2] = slot + 1u;
    }
}

// Whether integers of 64 bits are loaded and stored, joined and split as two words: each lane leaves two words, and its neighbour's
// the other way round. Host's side: src/device/gpu/subgroup.rs.  Uses: optim/loads_wide.wgsl

struct Params {
    len: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> pairs: array<u64>;

@compute @workgroup_size(8)
fn wide_check(@builtin(local_invocation_index) lane: u32) {
    pairs[lane] = paired(vec2(3u * lane + 1u, params.len + 0x80000000u + lane));
    storageBarrier();
    pairs[8u + lane] = paired(halves(pairs[(lane + 1u) % 8u]).yx);
}

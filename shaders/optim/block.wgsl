// What the kernels over blocks share. A block is up to 4096 elements of one tensor, and one workgroup's work, whose invocations
// take vec4s side by side; z is the member. The work buffer has 8 words a block and then a scale a tensor, for each member.
// Uses: lib/control.wgsl, lib/grid.wgsl, and the kernel's `params` and `work`.  The host's side: src/optim/layout.rs

const FROZEN = 255u;
const NO_STATE = 0xffffffffu;

// f64 twin: src/optim/layout.rs, `Span`.
struct Params {
    first_block: u32,
    blocks: u32,
    // vec4s: first of the bound buffers in the whole ones, and between members; the same for the states
    first4: u32,
    stride4: u32,
    state_first4: u32,
    state_stride4: u32,
    first_member: u32,
    // words of a member in the work buffer, and of the blocks before its scales
    work_stride: u32,
    scales_at: u32,
    tensors: u32,
}

struct Block {
    number: u32,
    first4: u32,
    len4: u32,
    tensor: u32,
    group: u32,
    state4: u32,
}

fn block_of(number: u32) -> Block {
    let at = control[6] + 4u * number;
    let segment = control[at + 2u];
    return Block(number, control[at], control[at + 1u], segment & 0x00ffffffu, segment >> 24u, control[at + 3u]);
}

// Whether the member is updated at this step; one that diverged stays as it was.
fn updated_now(member: u32) -> bool {
    return (step_word(member, 0u) & 1u) == 1u;
}

// Whether a workgroup has something to do: a block that is not frozen, of a member that is updated.
fn has_work(workgroup: vec3<u32>, groups: vec3<u32>) -> bool {
    let n = workgroup_number(workgroup, groups);
    if n >= params.blocks || !updated_now(params.first_member + workgroup.z) {
        return false;
    }
    return block_of(params.first_block + n).group != FROZEN;
}

// First vec4 of a block in the bound buffers, of the z-th of their members.
fn first_of(block: Block, z: u32) -> u32 {
    return z * params.stride4 + block.first4 - params.first4;
}

fn work_at(member: u32, block: u32, n: u32) -> u32 {
    return member * params.work_stride + 8u * block + n;
}

fn scale_at(member: u32, tensor: u32) -> u32 {
    return member * params.work_stride + params.scales_at + tensor;
}

// The size of each element as an integer that orders like it; infinities and NaNs lie above all numbers. By bits: a driver
// may assume that there are none, and fold `x != x` away.
fn sizes(x: vec4<f32>) -> vec4<u32> {
    return bitcast<vec4<u32>>(x) & vec4(0x7fffffffu);
}

// 0, which no compiler knows: bit 1 of the flags. For `stored`, and out of the loops: behind a store it would be loaded anew.
fn hidden_zero(member: u32) -> u32 {
    return step_word(member, 0u) & 2u;
}

// x as it lies in memory. A driver may take (p + x) − p for x, and what p's last bit made of x would not be seen.
fn stored(x: vec4<f32>, zero: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) ^ vec4(zero));
}

fn largest(x: vec4<u32>) -> u32 {
    return max(max(x.x, x.y), max(x.z, x.w));
}

fn not_finite(sizes: vec4<u32>) -> u32 {
    return dot(select(vec4(0u), vec4(1u), sizes >= vec4(0x7f800000u)), vec4(1u));
}

// What the kernels over blocks share. A block is up to 4096 elements of one tensor, and one workgroup's work, whose invocations
// take vec4s side by side; z is the member. The work buffer has 8 words a block and then a scale a tensor, for each member.
// Uses: lib/control.wgsl, lib/grid.wgsl, optim/lanes.wgsl (fours), and the kernel's `params` and `work`.  Host: src/optim/layout.rs

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
    // words of the control buffer: first of the blocks and of the step table, between slots and between members of the latter
    blocks_at: u32,
    steps_at: u32,
    slot_words: u32,
    step_words: u32,
}

struct Block {
    number: u32,
    first4: u32,
    len4: u32,
    tensor: u32,
    group: u32,
    state4: u32,
}

// A workgroup's work.
struct Task {
    // whether there is any: a block that is not frozen, of a member that is updated; one that diverged stays as it was
    there: bool,
    member: u32,
    block: Block,
    // the member's words of the step table (lib/control.wgsl), and where the numbers of the block's group begin
    step: vec4<u32>,
    numbers_at: u32,
}

// Of the words that it needs none is loaded for one lane what another has loaded: that is most of a small tensor's time.
fn task_of(workgroup: vec3<u32>, groups: vec3<u32>, lane: u32) -> Task {
    let member = params.first_member + workgroup.z;
    let n = workgroup_number(workgroup, groups);
    // A folded grid has some workgroups more than there are blocks.
    let number = params.first_block + min(n, params.blocks - 1u);
    let at = params.steps_at + control_slot() * params.slot_words + member * params.step_words;
    let both = fours(params.blocks_at + 4u * number, at, lane);
    let words = both[0];
    let step = both[1];
    let block = Block(number, words.x, words.y, words.z & 0x00ffffffu, words.z >> 24u, words.w);
    let there = n < params.blocks && (step.x & 1u) == 1u && block.group != FROZEN;
    return Task(there, member, block, step, at + 4u + 12u * block.group);
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
fn hidden_zero(task: Task) -> u32 {
    return task.step.x & 2u;
}

// x as it lies in memory. A driver may take (p + x) − p for x, and what p's last bit made of x would not be seen.
fn stored(x: vec4<f32>, zero: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) ^ vec4(zero));
}

fn largest(x: vec4<u32>) -> u32 {
    return max(max(x.x, x.y), max(x.z, x.w));
}

// 1 for each that is no number.
fn not_finite(sizes: vec4<u32>) -> vec4<u32> {
    return select(vec4(0u), vec4(1u), sizes >= vec4(0x7f800000u));
}

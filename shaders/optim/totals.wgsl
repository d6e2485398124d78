// What the invocations of a workgroup add up over a block, joined by a tree of a fixed shape: the same bits each time, from
// `joined` of optim/lanes.wgsl or optim/lanes_subgroup.wgsl.

struct Totals {
    // three sums of squares and a count
    sums: vec4<f32>,
    most: u32,
}

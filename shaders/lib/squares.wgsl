// 16 rows × 16 columns of a product by a subgroup of 8 lanes, in squares of two by two: two steps of K by two rows or two columns,
// each of which two loads of two numbers bring. A lane has two columns of its own, and shares the rows' squares with the others.
// Uses: `params.k` of the kernel's file

// What a lane multiplies: steps 2j and 2j + 1 of its two columns.
struct Steps {
    w0: vec4<f32>,
    w1: vec4<f32>,
    w2: vec4<f32>,
    w3: vec4<f32>,
    w4: vec4<f32>,
    w5: vec4<f32>,
    w6: vec4<f32>,
    w7: vec4<f32>,
}

// Of rows 2i and 2i + 1 both columns.
struct Sums {
    s0: vec4<f32>,
    s1: vec4<f32>,
    s2: vec4<f32>,
    s3: vec4<f32>,
    s4: vec4<f32>,
    s5: vec4<f32>,
    s6: vec4<f32>,
    s7: vec4<f32>,
}

fn moved_up(s: Sums) -> Sums {
    return Sums(s.s1, s.s2, s.s3, s.s4, s.s5, s.s6, s.s7, s.s7);
}

// From two loads, each along K or each across it: what step k has, then step k + 1; 0 past the end.
fn square(x: vec2<f32>, y: vec2<f32>, along_k: bool, k: u32) -> vec4<f32> {
    let steps = vec4(k, k, k + 1u, k + 1u);
    return select(vec4(0.0), select(vec4(x, y), vec4(x.x, y.x, x.y, y.y), along_k), steps < vec4(params.k));
}

// Two rows by two columns, over the two steps of a square of each.
fn add_two(start: vec4<f32>, x: vec4<f32>, w: vec4<f32>) -> vec4<f32> {
    let first = start + vec4(x.xx, x.yy) * w.xyxy;
    return first + vec4(x.zz, x.ww) * w.zwzw;
}

// Over 16 steps, of which lane j has 2j and 2j + 1 in `x`.
fn add_rows(start: vec4<f32>, x: vec4<f32>, w: Steps) -> vec4<f32> {
    var sum = add_two(start, subgroupBroadcast(x, 0u), w.w0);
    sum = add_two(sum, subgroupBroadcast(x, 1u), w.w1);
    sum = add_two(sum, subgroupBroadcast(x, 2u), w.w2);
    sum = add_two(sum, subgroupBroadcast(x, 3u), w.w3);
    sum = add_two(sum, subgroupBroadcast(x, 4u), w.w4);
    sum = add_two(sum, subgroupBroadcast(x, 5u), w.w5);
    sum = add_two(sum, subgroupBroadcast(x, 6u), w.w6);
    return add_two(sum, subgroupBroadcast(x, 7u), w.w7);
}

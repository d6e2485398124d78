// C = op(A) op(B) (+ C), by subgroups of 8: 16 rows × 16 columns a workgroup, two neighbouring columns a lane, 16 steps of K at a
// time. As lib/product_subgroup.wgsl, with two numbers a load: of A and of B a lane loads two by two, two of K by two rows or columns.
// `c`, `params`, `finish` and `past` come from the kernel's file.
// Uses: lib/operands_wide.wgsl, lib/grid.wgsl
//
// Neighbours along K, or along the rows and columns, are one load: their axis is of even length, other strides and windows are even.
// Rows and columns past the edge read the last ones and store nothing; steps past the end are 0.

override ACCUMULATE: bool = false;
override A_ALONG_K: bool = true;
override B_ALONG_K: bool = true;

// What a lane multiplies: of steps 2j and 2j + 1 its first and its second column.
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

// From two loads each, along K or across: step k's two, then step k + 1's; 0 past the end.
fn square(x: vec2<f32>, y: vec2<f32>, along_k: bool, k: u32) -> vec4<f32> {
    let steps = vec4(k, k, k + 1u, k + 1u);
    return select(vec4(0.0), select(vec4(x, y), vec4(x.x, y.x, x.y, y.y), along_k), steps < vec4(params.k));
}

// `columns` is where the lane's two columns begin.
fn load_b(columns: vec2<u32>, k: u32) -> vec4<f32> {
    let next = select(k + 1u, k, B_ALONG_K);
    let at = columns + min(vec2(k, next), vec2(params.k - 1u)) * params.b_row;
    return square(two(b[at.x >> 1u]), two(b[at.y >> 1u]), B_ALONG_K, k);
}

// `at` is where the item's A begins, the first row, this lane's first step.
fn load_a(r: u32, at: vec4<u32>) -> vec4<f32> {
    let row = at.y + r;
    let rows = min(vec2(row, select(row, row + 1u, A_ALONG_K)), vec2(params.m - 1u)) * params.a_row;
    let next = select(at.z + 1u, at.z, A_ALONG_K);
    let from_a = at.x + rows + min(vec2(at.z, next), vec2(params.k - 1u)) * params.a_column;
    return square(two(a[from_a.x >> 1u]), two(a[from_a.y >> 1u]), A_ALONG_K, at.z);
}

// Two steps, of which a lane holds two rows and `w` two columns.
fn add_two(start: vec4<f32>, x: vec4<f32>, w: vec4<f32>) -> vec4<f32> {
    let first = start + vec4(x.xx, x.yy) * w.xyxy;
    return first + vec4(x.zz, x.ww) * w.zwzw;
}

fn add_rows(start: vec4<f32>, r: u32, at: vec4<u32>, w: Steps) -> vec4<f32> {
    let x = load_a(r, at);
    var sum = add_two(start, subgroupBroadcast(x, 0u), w.w0);
    sum = add_two(sum, subgroupBroadcast(x, 1u), w.w1);
    sum = add_two(sum, subgroupBroadcast(x, 2u), w.w2);
    sum = add_two(sum, subgroupBroadcast(x, 3u), w.w3);
    sum = add_two(sum, subgroupBroadcast(x, 4u), w.w4);
    sum = add_two(sum, subgroupBroadcast(x, 5u), w.w5);
    sum = add_two(sum, subgroupBroadcast(x, 6u), w.w6);
    return add_two(sum, subgroupBroadcast(x, 7u), w.w7);
}

// `at` is the item's C, the first row, the lane's first column, the member.
fn put_rows(r: u32, at: vec4<u32>, sums: vec4<f32>) {
    put(at.y + r, at.z, at, sums.x);
    put(at.y + r, at.z + 1u, at, sums.y);
    put(at.y + r + 1u, at.z, at, sums.z);
    put(at.y + r + 1u, at.z + 1u, at, sums.w);
}

fn put(row: u32, column: u32, at: vec4<u32>, sum: f32) {
    if row < params.m && column < params.n {
        let i = at.x + row * params.c_row + column;
        if ACCUMULATE {
            c[i] = finish(c[i] + sum, column, at.w, i);
        } else {
            c[i] = finish(sum, column, at.w, i);
        }
    }
}

@compute @workgroup_size(8)
fn product(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let across = max((params.n + 15u) / 16u, 1u);
    let tile = workgroup_number(group, groups);
    let row = tile / across * 16u;
    let column = tile % across * 16u + 2u * lane;
    let member = group.z / params.batch;
    if row >= params.m {
        past((tile - (params.m + 15u) / 16u * across) * 8u + lane, member);
        return;
    }
    let item = group.z % params.batch;
    let from_a = member * params.a_member + item * params.a_batch;
    let from_b = member * params.b_member + item * params.b_batch;
    let w = from_b + min(vec2(column, column + 1u), vec2(params.n - 1u)) * params.b_column;
    let columns = select(w.xx, w, B_ALONG_K);
    var sums: Sums;
    for (var k = 0u; k < params.k; k += 16u) {
        var steps: Steps;
        steps.w0 = load_b(columns, k);
        steps.w1 = load_b(columns, k + 2u);
        steps.w2 = load_b(columns, k + 4u);
        steps.w3 = load_b(columns, k + 6u);
        steps.w4 = load_b(columns, k + 8u);
        steps.w5 = load_b(columns, k + 10u);
        steps.w6 = load_b(columns, k + 12u);
        steps.w7 = load_b(columns, k + 14u);
        let at = vec4(from_a, row, k + 2u * lane, 0u);
        sums.s0 = add_rows(sums.s0, 0u, at, steps);
        sums.s1 = add_rows(sums.s1, 2u, at, steps);
        sums.s2 = add_rows(sums.s2, 4u, at, steps);
        sums.s3 = add_rows(sums.s3, 6u, at, steps);
        sums.s4 = add_rows(sums.s4, 8u, at, steps);
        sums.s5 = add_rows(sums.s5, 10u, at, steps);
        sums.s6 = add_rows(sums.s6, 12u, at, steps);
        sums.s7 = add_rows(sums.s7, 14u, at, steps);
    }
    let at = vec4(member * params.c_member + item * params.c_batch, row, column, member);
    put_rows(0u, at, sums.s0);
    put_rows(2u, at, sums.s1);
    put_rows(4u, at, sums.s2);
    put_rows(6u, at, sums.s3);
    put_rows(8u, at, sums.s4);
    put_rows(10u, at, sums.s5);
    put_rows(12u, at, sums.s6);
    put_rows(14u, at, sums.s7);
}

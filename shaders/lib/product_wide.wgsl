// C = op(A) op(B) (+ C), by subgroups of 8: 16 rows × 16 columns a workgroup, two neighbouring columns a lane, 16 steps of K at a
// time. As lib/product_subgroup.wgsl, with two numbers a load and a store. `params` and `begin` come from the kernel's file.
// Uses: lib/squares.wgsl, lib/operands_wide.wgsl, lib/grid.wgsl, and of the kernel lib/twice.wgsl or a file like it
//
// Neighbours along K, or across it, are one load, and those in a row of C one store: their axis has an even length, other strides
// and windows' starts are even.
// Rows and columns past the edge read the last ones and store nothing; steps past the end are 0.

override ACCUMULATE: bool = false;
override A_ALONG_K: bool = true;
override B_ALONG_K: bool = true;

// `columns` is where the lane's two columns begin. One of the two loads of a square, 0 or 1.
fn half_b(columns: vec2<u32>, k: u32, half: u32) -> vec2<f32> {
    let row = min(k + select(half, 0u, B_ALONG_K), params.k - 1u);
    return two(b[(columns[half] + row * params.b_row) >> 1u]);
}

fn other_b(x: vec2<f32>, columns: vec2<u32>, k: u32) -> vec4<f32> {
    return square(x, half_b(columns, k, 1u), B_ALONG_K, k);
}

// `at` is where the item's A begins, the first row, this lane's first step. One of the two loads of a square, 0 or 1.
fn half_a(r: u32, at: vec4<u32>, half: u32) -> vec2<f32> {
    let row = min(at.y + r + select(0u, half, A_ALONG_K), params.m - 1u);
    let k = min(at.z + select(half, 0u, A_ALONG_K), params.k - 1u);
    return two(a[(at.x + row * params.a_row + k * params.a_column) >> 1u]);
}

fn other_half(x: vec2<f32>, r: u32, at: vec4<u32>) -> vec4<f32> {
    return square(x, half_a(r, at, 1u), A_ALONG_K, at.z);
}

// `at` is the item's C, the lane's first column, the member.
fn put(row: u32, at: vec3<u32>, sums: vec2<f32>) {
    if row < params.m && at.y < params.n {
        let i = at.x + row * params.c_row + at.y;
        var total = sums;
        if ACCUMULATE {
            total += two(c[i >> 1u]);
        }
        c[i >> 1u] = pair(finish_two(total, at.y, at.z, i));
    }
}

@compute @workgroup_size(8)
fn product(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let across = (params.n + 15u) / 16u;
    let tile = workgroup_number(group, groups);
    let row = tile / across * 16u;
    let column = tile % across * 16u + 2u * lane;
    let member = group.z / params.batch;
    if row >= params.m {
        past_two((tile - (params.m + 15u) / 16u * across) * 16u + 2u * lane, member);
        return;
    }
    let item = group.z % params.batch;
    let from_a = member * params.a_member + item * params.a_batch;
    let from_b = member * params.b_member + item * params.b_batch;
    let both = from_b + min(vec2(column, column + 1u), vec2(params.n - 1u)) * params.b_column;
    let columns = select(both.xx, both, B_ALONG_K);
    var sums: Sums;
    for (var k = 0u; k < params.k; k += 16u) {
        // One half of all steps or rows before the other: across memory those are 8 lines, where both would be 16, which a power of
        // two apart drive one another out of the cache.
        let y0 = half_b(columns, k, 0u);
        let y1 = half_b(columns, k + 2u, 0u);
        let y2 = half_b(columns, k + 4u, 0u);
        let y3 = half_b(columns, k + 6u, 0u);
        let y4 = half_b(columns, k + 8u, 0u);
        let y5 = half_b(columns, k + 10u, 0u);
        let y6 = half_b(columns, k + 12u, 0u);
        let y7 = half_b(columns, k + 14u, 0u);
        var w: Steps;
        w.w0 = other_b(y0, columns, k);
        w.w1 = other_b(y1, columns, k + 2u);
        w.w2 = other_b(y2, columns, k + 4u);
        w.w3 = other_b(y3, columns, k + 6u);
        w.w4 = other_b(y4, columns, k + 8u);
        w.w5 = other_b(y5, columns, k + 10u);
        w.w6 = other_b(y6, columns, k + 12u);
        w.w7 = other_b(y7, columns, k + 14u);
        let at = vec4(from_a, row, k + 2u * lane, 0u);
        let x0 = half_a(0u, at, 0u);
        let x1 = half_a(2u, at, 0u);
        let x2 = half_a(4u, at, 0u);
        let x3 = half_a(6u, at, 0u);
        let x4 = half_a(8u, at, 0u);
        let x5 = half_a(10u, at, 0u);
        let x6 = half_a(12u, at, 0u);
        let x7 = half_a(14u, at, 0u);
        sums.s0 = add_rows(sums.s0, other_half(x0, 0u, at), w);
        sums.s1 = add_rows(sums.s1, other_half(x1, 2u, at), w);
        sums.s2 = add_rows(sums.s2, other_half(x2, 4u, at), w);
        sums.s3 = add_rows(sums.s3, other_half(x3, 6u, at), w);
        sums.s4 = add_rows(sums.s4, other_half(x4, 8u, at), w);
        sums.s5 = add_rows(sums.s5, other_half(x5, 10u, at), w);
        sums.s6 = add_rows(sums.s6, other_half(x6, 12u, at), w);
        sums.s7 = add_rows(sums.s7, other_half(x7, 14u, at), w);
    }
    begin(member);
    begin_two(min(column, params.n - 2u), member);
    let at = vec3(member * params.c_member + item * params.c_batch, column, member);
    // A loop through which the sums move up: a copy of the kernel's end for each of them would take long to compile.
    for (var r = 0u; r < 16u; r += 2u) {
        put(row + r, at, sums.s0.xy);
        put(row + r + 1u, at, sums.s0.zw);
        sums = moved_up(sums);
    }
}

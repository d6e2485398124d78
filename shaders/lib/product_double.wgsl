// C = op(A) op(B) (+ C), staged in workgroup memory twice over: a tile of 8·SIDE × 8·SIDE a workgroup of SIDE² invocations, each
// with 8 × 8 results as four blocks of 4 × 4; SIDE/2 steps of K at a time. While one half of the memory is multiplied, the other
// is filled, so that one barrier a step is enough. `params`, `begin` and `past` come from the kernel's file.  Uses: lib/product_edge.wgsl
//
// The lanes of a load follow the axis that is contiguous in memory (A_ALONG_K, B_ALONG_K). Fours of rows lie at their number xor
// the step, which keeps the stores of a transposed load out of one bank.

override SIDE: u32 = 16u;
override A_ALONG_K: bool = true;
override B_ALONG_K: bool = false;
override STEP: u32 = SIDE / 2u;

var<workgroup> a_tile: array<vec4<f32>, 2u * SIDE * SIDE>;
var<workgroup> b_tile: array<vec4<f32>, 2u * SIDE * SIDE>;

// The results of an invocation in a block: four rows, and four 4·SIDE on.
struct Rows {
    r0: vec4<f32>,
    r1: vec4<f32>,
    r2: vec4<f32>,
    r3: vec4<f32>,
    r4: vec4<f32>,
    r5: vec4<f32>,
    r6: vec4<f32>,
    r7: vec4<f32>,
}

fn moved_up(s: Rows) -> Rows {
    return Rows(s.r1, s.r2, s.r3, s.r4, s.r5, s.r6, s.r7, s.r7);
}

fn four_a(base: u32, i: u32, k: u32) -> vec4<f32> {
    return vec4(load_a(base, i, k), load_a(base, i + 1u, k), load_a(base, i + 2u, k), load_a(base, i + 3u, k));
}

fn four_b(base: u32, k: u32, j: u32) -> vec4<f32> {
    return vec4(load_b(base, k, j), load_b(base, k, j + 1u), load_b(base, k, j + 2u), load_b(base, k, j + 3u));
}

// A row of two blocks, the second 4·SIDE columns on.
fn store_row(row: u32, column: u32, member: u32, base: u32, sum: vec4<f32>, on: vec4<f32>) {
    let far = column + 4u * SIDE;
    store(row, column, member, base, sum.x);
    store(row, column + 1u, member, base, sum.y);
    store(row, column + 2u, member, base, sum.z);
    store(row, column + 3u, member, base, sum.w);
    store(row, far, member, base, on.x);
    store(row, far + 1u, member, base, on.y);
    store(row, far + 2u, member, base, on.z);
    store(row, far + 3u, member, base, on.w);
}

@compute @workgroup_size(SIDE * SIDE)
fn product(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let across = max((params.n + 8u * SIDE - 1u) / (8u * SIDE), 1u);
    let tile = group.x + group.y * groups.x;
    let top = tile / across * 8u * SIDE;
    let left = tile % across * 8u * SIDE;
    let member = group.z / params.batch;
    let item = group.z % params.batch;
    let a_base = member * params.a_member + item * params.a_batch;
    let b_base = member * params.b_member + item * params.b_batch;
    let a_k = select(lane / (2u * SIDE), lane % STEP, A_ALONG_K);
    let a_four = select(lane % (2u * SIDE), lane / STEP, A_ALONG_K);
    let b_k = select(lane / (2u * SIDE), lane % STEP, B_ALONG_K);
    let b_four = select(lane % (2u * SIDE), lane / STEP, B_ALONG_K);
    let a_put = a_k * 2u * SIDE + (a_four ^ a_k);
    let b_put = b_k * 2u * SIDE + (b_four ^ b_k);
    let i = top + 4u * a_four;
    let j = left + 4u * b_four;
    let y = lane / SIDE;
    let x = lane % SIDE;
    var s: Rows;
    var t: Rows;
    a_tile[a_put] = four_a(a_base, i, a_k);
    b_tile[b_put] = four_b(b_base, b_k, j);
    var half = 0u;
    for (var start = 0u; start < params.k; start += STEP) {
        workgroupBarrier();
        let next_a = four_a(a_base, i, start + STEP + a_k);
        let next_b = four_b(b_base, start + STEP + b_k, j);
        for (var k = 0u; k < STEP; k++) {
            let at = half + k * 2u * SIDE;
            let a0 = a_tile[at + (y ^ k)];
            let a1 = a_tile[at + ((y + SIDE) ^ k)];
            let b0 = b_tile[at + (x ^ k)];
            let b1 = b_tile[at + ((x + SIDE) ^ k)];
            s.r0 += a0.x * b0;
            t.r0 += a0.x * b1;
            s.r1 += a0.y * b0;
            t.r1 += a0.y * b1;
            s.r2 += a0.z * b0;
            t.r2 += a0.z * b1;
            s.r3 += a0.w * b0;
            t.r3 += a0.w * b1;
            s.r4 += a1.x * b0;
            t.r4 += a1.x * b1;
            s.r5 += a1.y * b0;
            t.r5 += a1.y * b1;
            s.r6 += a1.z * b0;
            t.r6 += a1.z * b1;
            s.r7 += a1.w * b0;
            t.r7 += a1.w * b1;
        }
        half = SIDE * SIDE - half;
        a_tile[half + a_put] = next_a;
        b_tile[half + b_put] = next_b;
    }
    let row = top + 4u * y;
    let column = left + 4u * x;
    let base = member * params.c_member + item * params.c_batch;
    begin(member);
    // A loop through which the sums move up: a copy of the kernel's end for each of them would take long to compile.
    for (var r = 0u; r < 8u; r++) {
        store_row(row + r + select(0u, 4u * SIDE - 4u, r >= 4u), column, member, base, s.r0, t.r0);
        s = moved_up(s);
        t = moved_up(t);
    }
    if top >= params.m {
        let tiles = (params.m + 8u * SIDE - 1u) / (8u * SIDE) * across;
        past((tile - tiles) * SIDE * SIDE + lane, member);
    }
}

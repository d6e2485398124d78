// C = op(A) op(B) (+ C), staged in workgroup memory: a tile of 4·SIDE × 4·SIDE a workgroup of SIDE² invocations, each
// with 4 rows × 4 columns; SIDE steps of K at a time. `params`, `begin` and `past` come from the kernel's file.
// Uses: lib/product_edge.wgsl
//
// The lanes of a load follow the axis that is contiguous in memory (A_ALONG_K, B_ALONG_K). A column of padding keeps the
// stores of a transposed load out of one bank.

override SIDE: u32 = 16u;
override A_ALONG_K: bool = true;
override B_ALONG_K: bool = false;

var<workgroup> a_tile: array<vec4<f32>, SIDE * (SIDE + 1u)>;
var<workgroup> b_tile: array<vec4<f32>, SIDE * (SIDE + 1u)>;

fn store_row(row: u32, column: u32, member: u32, base: u32, sum: vec4<f32>) {
    store(row, column, member, base, sum.x);
    store(row, column + 1u, member, base, sum.y);
    store(row, column + 2u, member, base, sum.z);
    store(row, column + 3u, member, base, sum.w);
}

@compute @workgroup_size(SIDE * SIDE)
fn product(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let across = max((params.n + 4u * SIDE - 1u) / (4u * SIDE), 1u);
    let tile = group.x + group.y * groups.x;
    let top = tile / across * 4u * SIDE;
    let left = tile % across * 4u * SIDE;
    let member = group.z / params.batch;
    let item = group.z % params.batch;
    let a_base = member * params.a_member + item * params.a_batch;
    let b_base = member * params.b_member + item * params.b_batch;
    let fast = lane % SIDE;
    let slow = lane / SIDE;
    let a_k = select(slow, fast, A_ALONG_K);
    let a_row = select(fast, slow, A_ALONG_K);
    let b_k = select(slow, fast, B_ALONG_K);
    let b_column = select(fast, slow, B_ALONG_K);
    let i = top + 4u * a_row;
    let j = left + 4u * b_column;
    var s0 = vec4(0.0);
    var s1 = vec4(0.0);
    var s2 = vec4(0.0);
    var s3 = vec4(0.0);
    for (var start = 0u; start < params.k; start += SIDE) {
        let ka = start + a_k;
        let kb = start + b_k;
        a_tile[a_k * (SIDE + 1u) + a_row] =
            vec4(load_a(a_base, i, ka), load_a(a_base, i + 1u, ka), load_a(a_base, i + 2u, ka), load_a(a_base, i + 3u, ka));
        b_tile[b_k * (SIDE + 1u) + b_column] =
            vec4(load_b(b_base, kb, j), load_b(b_base, kb, j + 1u), load_b(b_base, kb, j + 2u), load_b(b_base, kb, j + 3u));
        workgroupBarrier();
        for (var k = 0u; k < SIDE; k++) {
            let x = a_tile[k * (SIDE + 1u) + slow];
            let w = b_tile[k * (SIDE + 1u) + fast];
            s0 += x.x * w;
            s1 += x.y * w;
            s2 += x.z * w;
            s3 += x.w * w;
        }
        workgroupBarrier();
    }
    let row = top + 4u * slow;
    let column = left + 4u * fast;
    let base = member * params.c_member + item * params.c_batch;
    begin(member);
    // A loop through which the sums move up: a copy of the kernel's end for each of them would take long to compile.
    for (var r = 0u; r < 4u; r++) {
        store_row(row + r, column, member, base, s0);
        s0 = s1;
        s1 = s2;
        s2 = s3;
    }
    if top >= params.m {
        let tiles = (params.m + 4u * SIDE - 1u) / (4u * SIDE) * across;
        past((tile - tiles) * SIDE * SIDE + lane, member);
    }
}

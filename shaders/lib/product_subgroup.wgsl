// C = op(A) op(B) (+ C), by subgroups of 8: ROWS rows × 16 columns a workgroup, two columns a lane, eight steps of K at a time.
// For software adapters. `a`, `b`, `c`, `params`, `begin`, `finish` and `past` come from the kernel's file.
// Uses: lib/eight.wgsl, lib/grid.wgsl
//
// Rows and columns past the edge read the last one and store nothing; steps past the end are 0.

override ACCUMULATE: bool = false;

// `at` is the item's A, the first row, this lane's step.
fn factor(r: u32, at: vec4<u32>) -> f32 {
    let k = min(at.z, params.k - 1u);
    let x = a[at.x + min(at.y + r, params.m - 1u) * params.a_row + k * params.a_column];
    return select(0.0, x, at.z < params.k);
}

fn load_b(column: u32, k: u32) -> vec4<f32> {
    let steps = vec4(k, k + 1u, k + 2u, k + 3u);
    let at = column + min(steps, vec4(params.k - 1u)) * params.b_row;
    return select(vec4(0.0), vec4(b[at.x], b[at.y], b[at.z], b[at.w]), steps < vec4(params.k));
}

// `at` is the item's C, the first row, the lane's first column, the member.
fn put(r: u32, at: vec4<u32>, sum: vec2<f32>) {
    let i = at.x + (at.y + r) * params.c_row + at.z;
    put_one(i, at.z, at.w, sum.x);
    put_one(i + 8u, at.z + 8u, at.w, sum.y);
}

fn put_one(i: u32, column: u32, member: u32, sum: f32) {
    if column < params.n {
        if ACCUMULATE {
            c[i] = finish(c[i] + sum, column, member, i);
        } else {
            c[i] = finish(sum, column, member, i);
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
    let row = tile / across * ROWS;
    let column = tile % across * 16u + lane;
    let member = group.z / params.batch;
    if row >= params.m {
        past((tile - (params.m + ROWS - 1u) / ROWS * across) * 8u + lane, member);
        return;
    }
    let item = group.z % params.batch;
    let a_base = member * params.a_member + item * params.a_batch;
    let b_base = member * params.b_member + item * params.b_batch;
    let b0 = b_base + min(column, params.n - 1u) * params.b_column;
    let b1 = b_base + min(column + 8u, params.n - 1u) * params.b_column;
    var sums: Sums;
    for (var k = 0u; k < params.k; k += 8u) {
        let w = Eight(load_b(b0, k), load_b(b0, k + 4u), load_b(b1, k), load_b(b1, k + 4u));
        add_eight(&sums, vec4(a_base, row, k + lane, 0u), w);
    }
    let base = member * params.c_member + item * params.c_batch;
    begin(member);
    put_all(sums, params.m - row, vec4(base, row, column, member));
}

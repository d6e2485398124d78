// C = op(A) op(B) (+ C), in registers alone: ROWS rows (8, or 1 or 4 where C has no more) × 4 columns an invocation, one running sum
// an element. For software adapters. `params`, `begin`, `finish` and `past` come from the kernel's file.
// Uses: lib/operands.wgsl, lib/grid.wgsl
//
// Rows and columns past the edge read the last one and store nothing, so the loop has no branch.

override ROWS: u32 = 8u;
// Whether C has one column.
override SINGLE: bool = false;

fn store_row(row: u32, column: u32, member: u32, base: u32, sum: vec4<f32>) {
    if row < params.m {
        store(row, column, member, base, sum.x);
        store(row, column + 1u, member, base, sum.y);
        store(row, column + 2u, member, base, sum.z);
        store(row, column + 3u, member, base, sum.w);
    }
}

fn store(row: u32, column: u32, member: u32, base: u32, sum: f32) {
    if column < params.n {
        let i = base + row * params.c_row + column;
        if params.accumulate != 0u {
            c[i] = finish(c[i] + sum, column, member, i);
        } else {
            c[i] = finish(sum, column, member, i);
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn product(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let across = max((params.n + 3u) / 4u, 1u);
    let tile = linear_index(id, groups);
    let row = tile / across * ROWS;
    let column = tile % across * 4u;
    let member = id.z / params.batch;
    let item = id.z % params.batch;
    if row < params.m && params.n > 0u {
        let a_base = member * params.a_member + item * params.a_batch;
        let b_base = member * params.b_member + item * params.b_batch;
        let last_row = params.m - 1u;
        let last_column = params.n - 1u;
        let a0 = a_base + row * params.a_row;
        let a1 = a_base + min(row + 1u, last_row) * params.a_row;
        let a2 = a_base + min(row + 2u, last_row) * params.a_row;
        let a3 = a_base + min(row + 3u, last_row) * params.a_row;
        let a4 = a_base + min(row + 4u, last_row) * params.a_row;
        let a5 = a_base + min(row + 5u, last_row) * params.a_row;
        let a6 = a_base + min(row + 6u, last_row) * params.a_row;
        let a7 = a_base + min(row + 7u, last_row) * params.a_row;
        let b0 = b_base + column * params.b_column;
        let b1 = b_base + min(column + 1u, last_column) * params.b_column;
        let b2 = b_base + min(column + 2u, last_column) * params.b_column;
        let b3 = b_base + min(column + 3u, last_column) * params.b_column;
        var s0 = vec4(0.0);
        var s1 = vec4(0.0);
        var s2 = vec4(0.0);
        var s3 = vec4(0.0);
        var s4 = vec4(0.0);
        var s5 = vec4(0.0);
        var s6 = vec4(0.0);
        var s7 = vec4(0.0);
        for (var k = 0u; k < params.k; k++) {
            let ka = k * params.a_column;
            let kb = k * params.b_row;
            var w = vec4(b[b0 + kb], 0.0, 0.0, 0.0);
            if !SINGLE {
                w = vec4(w.x, b[b1 + kb], b[b2 + kb], b[b3 + kb]);
            }
            s0 += a[a0 + ka] * w;
            if ROWS > 1u {
                s1 += a[a1 + ka] * w;
                s2 += a[a2 + ka] * w;
                s3 += a[a3 + ka] * w;
            }
            if ROWS > 4u {
                s4 += a[a4 + ka] * w;
                s5 += a[a5 + ka] * w;
                s6 += a[a6 + ka] * w;
                s7 += a[a7 + ka] * w;
            }
        }
        let base = member * params.c_member + item * params.c_batch;
        begin(member);
        // A loop through which the sums move up: a copy of the kernel's end for each of them would take long to compile.
        for (var r = 0u; r < ROWS; r++) {
            store_row(row + r, column, member, base, s0);
            s0 = s1;
            s1 = s2;
            s2 = s3;
            s3 = s4;
            s4 = s5;
            s5 = s6;
            s6 = s7;
        }
    } else {
        past(tile - (params.m + ROWS - 1u) / ROWS * across, member);
    }
}

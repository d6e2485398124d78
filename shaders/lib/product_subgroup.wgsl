// C = op(A) op(B) (+ C), by subgroups of 8: ROWS rows × 16 columns a workgroup, two columns a lane, eight steps of K at a time.
// For software adapters. `params`, `begin`, `finish` and `past` come from the kernel's file.
// Uses: lib/operands.wgsl, lib/eight.wgsl, lib/grid.wgsl
//
// Where C has few columns (NARROW), rows and columns change places, and A and B: 16 rows × ROWS columns, two rows a lane.
// Rows and columns past the edge read the last one and store nothing; steps past the end are 0.

override ACCUMULATE: bool = false;
override NARROW: bool = false;

// `at` is where the item's operand begins, the first row, this lane's step.
fn factor(r: u32, at: vec4<u32>) -> f32 {
    let k = min(at.z, params.k - 1u);
    var x = 0.0;
    if NARROW {
        x = b[at.x + min(at.y + r, params.n - 1u) * params.b_column + k * params.b_row];
    } else {
        x = a[at.x + min(at.y + r, params.m - 1u) * params.a_row + k * params.a_column];
    }
    return select(0.0, x, at.z < params.k);
}

fn load_four(column: u32, k: u32) -> vec4<f32> {
    let steps = vec4(k, k + 1u, k + 2u, k + 3u);
    let near = min(steps, vec4(params.k - 1u));
    var x = vec4(0.0);
    if NARROW {
        let at = column + near * params.a_column;
        x = vec4(a[at.x], a[at.y], a[at.z], a[at.w]);
    } else {
        let at = column + near * params.b_row;
        x = vec4(b[at.x], b[at.y], b[at.z], b[at.w]);
    }
    return select(vec4(0.0), x, steps < vec4(params.k));
}

// `at` is the item's C, the first row, the lane's first column, the member.
fn put(r: u32, at: vec4<u32>, sum: vec2<f32>) {
    put_one(at.y + r, at.z, at, sum.x);
    put_one(at.y + r, at.z + 8u, at, sum.y);
}

fn put_one(r: u32, s: u32, at: vec4<u32>, sum: f32) {
    if s < select(params.n, params.m, NARROW) {
        let column = select(s, r, NARROW);
        let i = at.x + select(r, s, NARROW) * params.c_row + column;
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
    let rows = select(params.m, params.n, NARROW);
    let columns = select(params.n, params.m, NARROW);
    let across = max((columns + 15u) / 16u, 1u);
    let tile = workgroup_number(group, groups);
    let row = tile / across * ROWS;
    let column = tile % across * 16u + lane;
    let member = group.z / params.batch;
    if row >= rows {
        past((tile - (rows + ROWS - 1u) / ROWS * across) * 8u + lane, member);
        return;
    }
    let item = group.z % params.batch;
    let a_base = member * params.a_member + item * params.a_batch;
    let b_base = member * params.b_member + item * params.b_batch;
    let base = select(b_base, a_base, NARROW);
    let apart = select(params.b_column, params.a_row, NARROW);
    let w0 = base + min(column, columns - 1u) * apart;
    let w1 = base + min(column + 8u, columns - 1u) * apart;
    let from_few = select(a_base, b_base, NARROW);
    var sums: Sums;
    for (var k = 0u; k < params.k; k += 8u) {
        let w = Eight(load_four(w0, k), load_four(w0, k + 4u), load_four(w1, k), load_four(w1, k + 4u));
        add_eight(&sums, vec4(from_few, row, k + lane, 0u), w);
    }
    begin(member);
    put_all(sums, rows - row, vec4(member * params.c_member + item * params.c_batch, row, column, member));
}

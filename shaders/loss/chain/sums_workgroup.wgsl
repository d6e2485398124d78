// The gradients dW = dzᵀ x of all weights of a chain of dense layers, by workgroups of 64, 16 × 16 elements each, 2 × 2 an
// invocation; then those of the biases, a column an invocation, and the means.
// f64 twins: src/op/matmul.rs, src/op/sum_to.rs, src/loss/rows.rs.  Uses: chain/sums.wgsl

const LANES_OF_SUMS: u32 = 64u;

fn put(p: Part, row: u32, column: u32, member: u32, sum: f32) {
    let width = width_of(p.layer);
    if row < p.rows && column < width {
        put_weight(p.layer, row * width + column, member, sum);
    }
}

@compute @workgroup_size(64)
fn sums(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if group.x >= TILES {
        let index = (group.x - TILES) * 64u + lane;
        if group.x + 1u < GROUPS {
            biases(index, group.z);
        } else {
            means(lane, group.z);
        }
        return;
    }
    let p = part_of(group.x);
    let first = group.z * params.values_stride;
    let row = p.row + lane / 8u;
    let column = p.column + lane % 8u;
    var a = first + p.slopes + row;
    var b = first + p.factors + column;
    var upper = vec2(0.0);
    var lower = vec2(0.0);
    for (var k = 0u; k < params.rows; k++) {
        let x = vec2(values[b], values[b + 8u]);
        upper += values[a] * x;
        lower += values[a + 8u] * x;
        a += p.slopes_row;
        b += p.factors_row;
    }
    put(p, row, column, group.z, upper.x);
    put(p, row, column + 8u, group.z, upper.y);
    put(p, row + 8u, column, group.z, lower.x);
    put(p, row + 8u, column + 8u, group.z, lower.y);
}

// The gradients dW = dzᵀ x of all weights of a chain of dense layers, by subgroups of 8, 16 × 16 elements each; then those of the
// biases, a column an invocation, and the means. f64 twins: src/op/matmul.rs, src/op/sum_to.rs, src/loss/rows.rs.
// Uses: chain/sums.wgsl, lib/eight.wgsl

const LANES_OF_SUMS: u32 = 8u;

// `at` is row k of dz from the tile's first column on.
fn factor(r: u32, at: vec4<u32>) -> f32 {
    return values[at.x + r];
}

fn load(column: u32, row: u32) -> vec4<f32> {
    return vec4(values[column], values[column + row], values[column + 2u * row], values[column + 3u * row]);
}

// `at` is the layer, the tile's first row, the lane's first column, the member.
fn put(r: u32, at: vec4<u32>, sum: vec2<f32>) {
    put_one(at.x, at.y + r, at.z, at.w, sum.x);
    put_one(at.x, at.y + r, at.z + 8u, at.w, sum.y);
}

fn put_one(layer: u32, row: u32, column: u32, member: u32, sum: f32) {
    let width = width_of(layer);
    if column < width {
        put_weight(layer, row * width + column, member, sum);
    }
}

@compute @workgroup_size(8)
fn sums(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    if group.x >= TILES {
        let index = (group.x - TILES) * 8u + lane;
        if group.x + 1u < GROUPS {
            biases(index, group.z);
        } else {
            means(lane, group.z);
        }
        return;
    }
    let p = part_of(group.x);
    let first = group.z * params.values_stride;
    let a = first + p.slopes + p.row;
    let b = first + p.factors + p.column + lane;
    var sums: Sums;
    for (var k = 0u; k < ROWS_IN_ALL; k += 8u) {
        let near = b + k * p.factors_row;
        let far = near + 4u * p.factors_row;
        let w = Eight(
            load(near, p.factors_row),
            load(far, p.factors_row),
            load(near + 8u, p.factors_row),
            load(far + 8u, p.factors_row),
        );
        add_eight(&sums, vec4(a + (k + lane) * p.slopes_row, 0u, 0u, 0u), w);
    }
    put_all(sums, p.rows - p.row, vec4(p.layer, p.row, p.column + lane, group.z));
}

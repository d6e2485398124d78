// What is summed over the rows of a chain of dense layers: the gradients dW = dzᵀ x of all weights, by workgroups of 64, 16 × 16
// elements each, 2 × 2 an invocation; then those of the biases, a column an invocation; then the loss and the share of rows that
// are right. LANES, `part_of`, `column_of`, `put_weight`, `put_bias` are written for each chain: src/loss/chain/source.rs.
// f64 twins: src/op/matmul.rs, src/op/sum_to.rs, src/loss/rows.rs

struct Column {
    layer: u32,
    // Columns of `values` before its table, and elements of a row.
    table: u32,
    row: u32,
    // Its place in the bias.
    place: u32,
}

var<workgroup> lost: array<f32, LANES>;
var<workgroup> hits: array<f32, LANES>;

fn biases(index: u32, member: u32) {
    if index < COLUMNS {
        let c = column_of(index);
        let first = member * params.values_stride + c.table * params.filled + c.place;
        var sum = 0.0;
        for (var row = 0u; row < params.rows; row++) {
            sum += values[first + row * c.row];
        }
        put_bias(c.layer, c.place, member, sum);
    }
}

fn means(lane: u32, member: u32) {
    let first = member * params.values_stride;
    var loss = 0.0;
    var good = 0.0;
    for (var row = lane; row < params.rows; row += LANES) {
        loss += values[first + LOSSES * params.filled + row];
        if RIGHT {
            good += values[first + HITS * params.filled + row];
        }
    }
    lost[lane] = loss;
    hits[lane] = good;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            lost[lane] += lost[lane + half];
            hits[lane] += hits[lane + half];
        }
    }
    if lane == 0u {
        y[member * params.y_stride] = params.factor * lost[0];
        right[member * params.right_stride] = params.factor * hits[0];
    }
}

fn put(p: Part, row: u32, column: u32, member: u32, sum: f32) {
    if row < p.rows && column < p.columns {
        put_weight(p.layer, row * p.columns + column, member, sum);
    }
}

@compute @workgroup_size(LANES)
fn sums(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if group.x >= TILES {
        let index = (group.x - TILES) * LANES + lane;
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
    var a = first + p.slopes * params.filled + row;
    var b = first + p.factors * params.filled + column;
    var upper = vec2(0.0);
    var lower = vec2(0.0);
    for (var k = 0u; k < params.rows; k++) {
        let x = vec2(values[b], values[b + 8u]);
        upper += values[a] * x;
        lower += values[a + 8u] * x;
        a += p.rows;
        b += p.columns;
    }
    put(p, row, column, group.z, upper.x);
    put(p, row, column + 8u, group.z, upper.y);
    put(p, row + 8u, column, group.z, lower.x);
    put(p, row + 8u, column + 8u, group.z, lower.y);
}

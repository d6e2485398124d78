// What is summed over the rows of a chain of dense layers beside the products: the gradients of the biases, the loss, the share of
// rows that are right. `column_of`, `put_bias` are written for each chain: src/loss/chain/source.rs.

struct Column {
    layer: u32,
    // Where its first row lies, and elements of a row.
    at: u32,
    row: u32,
    // Its place in the bias.
    place: u32,
}

var<workgroup> lost: array<f32, LANES_OF_SUMS>;
var<workgroup> hits: array<f32, LANES_OF_SUMS>;

fn biases(index: u32, member: u32) {
    if index < COLUMNS {
        let c = column_of(index);
        let first = member * params.values_stride + c.at;
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
    for (var row = lane; row < params.rows; row += LANES_OF_SUMS) {
        loss += values[first + LOSSES + row];
        if RIGHT {
            good += values[first + HITS + row];
        }
    }
    lost[lane] = loss;
    hits[lane] = good;
    for (var half = LANES_OF_SUMS / 2u; half > 0u; half /= 2u) {
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

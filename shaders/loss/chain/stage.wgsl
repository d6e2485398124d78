// One product of a chain of dense layers, of a block of rows: y = f(x Wᵀ + b) on the way there, dz = f′(y) ⊙ (dz' W) on the way back.
// `stage_of`, `weight` and `bias` are written for each chain: src/loss/chain/source.rs.

struct Stage {
    // Terms of a sum, columns of the result.
    k: u32,
    n: u32,
    // Where in `values` the factors' rows begin, and elements of one.
    source: u32,
    source_row: u32,
    // The same of the result; columns past `n` are 0.
    to: u32,
    to_row: u32,
    // The weights' elements from one term to the next, and from one column to the next.
    weight_k: u32,
    weight_n: u32,
    // On the way back: where the rows of f's output begin, as wide as those of the result.
    output: u32,
    back: bool,
    // Whether there is an f.
    bent: bool,
}

fn finish(number: u32, sum: f32, row: u32, column: u32, member: Member) -> f32 {
    let s = stage_of(number);
    if s.back {
        if s.bent {
            return sum * df(values[member.values + s.output + row * s.to_row + column]);
        }
        return sum;
    }
    let z = sum + bias(number, column, member);
    if s.bent {
        return f(z);
    }
    return z;
}

fn score(i: u32) -> f32 {
    return values[i];
}

fn put_slope(i: u32, slope: f32) {
    values[i] = slope;
}

// The loss of each row of a block, whether it is right, and its slopes, which are 0 past the last row and column.
fn losses(lane: u32, lanes: u32, first: u32, member: Member) {
    for (var r = lane; r < BLOCK; r += lanes) {
        let row = first + r;
        let out = member.values + SLOPES + row * SCORE_ROW;
        let live = row < params.rows;
        if live {
            let share = params.factor * dy[member.index * params.dy_stride];
            let scores = member.values + SCORES + row * SCORE_ROW;
            let goal = member.index * params.t_stride + goal_index(row, row * CLASSES);
            values[member.values + LOSSES + row] = loss_row(0u, CLASSES, scores, goal, out, share);
            if RIGHT {
                values[member.values + HITS + row] = right_row(0u, CLASSES, scores, goal);
            }
        }
        for (var k = select(0u, CLASSES, live); k < SCORE_ROW; k++) {
            values[out + k] = 0.0;
        }
    }
}

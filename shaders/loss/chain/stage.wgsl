// One product of a chain of dense layers, of a block of rows: y = f(x Wᵀ + b) on the way there, dz = f′(y) ⊙ (dz' W) on the way back.
// `stage_of`, `weight` and `bias` are written for each chain: src/loss/chain/source.rs.

struct Stage {
    // Terms of a sum, columns of the result.
    k: u32,
    n: u32,
    // Columns of `values` before the result's table.
    to: u32,
    // The weights' elements from one term to the next, and from one column to the next.
    weight_k: u32,
    weight_n: u32,
    // On the way back: columns before the table of f's output, as wide as the result.
    output: u32,
    back: bool,
    // Whether there is an f.
    bent: bool,
}

// Where a table begins that has so many columns before it.
fn table(columns: u32, member: Member) -> u32 {
    return member.values + columns * params.filled;
}

fn finish(number: u32, sum: f32, row: u32, column: u32, member: Member) -> f32 {
    let s = stage_of(number);
    if s.back {
        if s.bent {
            return sum * df(values[table(s.output, member) + row * s.n + column]);
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

// The loss of each row of a block, whether it is right, and its slopes, which are 0 past the last row, where no words of an
// earlier step should go round.
fn losses(lane: u32, first: u32, member: Member) {
    if lane >= BLOCK {
        return;
    }
    let row = first + lane;
    let out = table(SLOPES, member) + row * CLASSES;
    if row >= params.rows {
        for (var k = 0u; k < CLASSES; k++) {
            values[out + k] = 0.0;
        }
        return;
    }
    let share = params.factor * dy[member.index * params.dy_stride];
    let scores = table(SCORES, member) + row * CLASSES;
    let goal = member.index * params.t_stride + goal_index(row, row * CLASSES);
    values[table(LOSSES, member) + row] = loss_row(0u, CLASSES, scores, goal, out, share);
    if RIGHT {
        values[table(HITS, member) + row] = right_row(0u, CLASSES, scores, goal);
    }
}

// Targets that are classes, one a row; a class beyond the last is taken for the last. A row is right where the first of its
// largest scores is at its class.

@group(0) @binding(2) var<storage, read> t: array<u32>;

fn goal_index(row: u32, at: u32) -> u32 {
    return row;
}

fn class_at(goal: u32, width: u32) -> u32 {
    return min(t[goal], max(width, 1u) - 1u);
}

fn right_row(lane: u32, width: u32, first: u32, goal: u32) -> f32 {
    var best = 0.0;
    var place = 0u;
    if width > 0u {
        best = score(first);
    }
    for (var k = lane; k < width; k += LANES) {
        let v = score(first + k);
        if v > best {
            best = v;
            place = k;
        }
    }
    return select(0.0, 1.0, fold_first(lane, best, place) == class_at(goal, width));
}

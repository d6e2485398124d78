// A row of cross-entropy: ℓ = ln S − (s_class − m) and ds = (exp(s − m) / S − [k = class]) · share, m = max s, S = Σ exp(s − m).
// f64 twin: src/loss/cross_entropy.rs.  Uses: head/classes.wgsl, lib/row_invocation.wgsl or lib/row_workgroup.wgsl

fn loss_row(lane: u32, width: u32, first: u32, goal: u32, out: u32, share: f32) -> f32 {
    let right_class = class_at(goal, width);
    var largest = 0.0;
    if width > 0u {
        largest = score(first);
    }
    for (var k = lane; k < width; k += LANES) {
        largest = max(largest, score(first + k));
    }
    largest = fold_max(lane, largest);
    var total = 0.0;
    for (var k = lane; k < width; k += LANES) {
        total += exp(score(first + k) - largest);
    }
    total = fold_sum(lane, total);
    for (var k = lane; k < width; k += LANES) {
        let p = exp(score(first + k) - largest) / total;
        put_slope(out + k, share * (p - select(0.0, 1.0, k == right_class)));
    }
    if width == 0u {
        return 0.0;
    }
    return log(total) - (score(first + right_class) - largest);
}

// A row of cross-entropy with weights: ℓ = Σ t (ln S − (s − m)) and ds = (exp(s − m) / S · Σt − t) · share, m = max s,
// S = Σ exp(s − m). f64 twin: src/loss/soft_cross_entropy.rs.
// Uses: head/values.wgsl, lib/row_invocation.wgsl or lib/row_workgroup.wgsl

fn loss_row(lane: u32, width: u32, first: u32, goal: u32, out: u32, share: f32) -> f32 {
    var largest = 0.0;
    if width > 0u {
        largest = score(first);
    }
    for (var k = lane; k < width; k += LANES) {
        largest = max(largest, score(first + k));
    }
    largest = fold_max(lane, largest);
    var total = 0.0;
    var weight = 0.0;
    for (var k = lane; k < width; k += LANES) {
        total += exp(score(first + k) - largest);
        weight += t[goal + k];
    }
    total = fold_sum(lane, total);
    weight = fold_sum(lane, weight);
    let log_total = log(total);
    var loss = 0.0;
    for (var k = lane; k < width; k += LANES) {
        let d = score(first + k) - largest;
        loss += t[goal + k] * (log_total - d);
        put_slope(out + k, share * (exp(d) / total * weight - t[goal + k]));
    }
    return fold_sum(lane, loss);
}

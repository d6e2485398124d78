// A row of the Weston–Watkins hinge: ℓ = Σ max(0, s_k − s_class + 1) over k ≠ class; ds_k = share where that is above 0, ds_class =
// −share for each such k. f64 twin: src/loss/hinge.rs.
// Uses: head/classes.wgsl, lib/row_invocation.wgsl or lib/row_workgroup.wgsl

fn loss_row(lane: u32, width: u32, first: u32, goal: u32, out: u32, share: f32) -> f32 {
    let right_class = class_at(goal, width);
    var own = 0.0;
    if width > 0u {
        own = score(first + right_class);
    }
    var loss = 0.0;
    var count = 0.0;
    for (var k = lane; k < width; k += LANES) {
        let margin = score(first + k) - own + 1.0;
        let wrong = k != right_class;
        let over = wrong && margin > 0.0;
        // A score that is no number has no loss and no gradient: that must show. Not max(): it may turn NaN into 0.
        let lost = wrong && is_nan(margin);
        loss += select(0.0, margin, over || lost);
        count += select(select(0.0, 1.0, over), margin, lost);
        put_slope(out + k, select(select(0.0, share, over), margin, lost));
    }
    count = fold_sum(lane, count);
    // The lane that wrote the class's 0 overwrites it.
    for (var k = lane; k < width; k += LANES) {
        if k == right_class {
            put_slope(out + k, -count * share);
        }
    }
    return fold_sum(lane, loss);
}

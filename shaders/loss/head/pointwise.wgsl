// A run of elements of an element-wise loss: Σ ℓ(s, t), and ds = dℓ/ds · share. f64 twin: src/loss/pointwise.rs.
// Uses: head/values.wgsl, loss/<name>.wgsl, lib/row_invocation.wgsl or lib/row_workgroup.wgsl

fn loss_row(lane: u32, width: u32, first: u32, goal: u32, out: u32, share: f32) -> f32 {
    var loss = 0.0;
    for (var k = lane; k < width; k += LANES) {
        loss += loss_value(score(first + k), t[goal + k]);
        put_slope(out + k, share * loss_slope(score(first + k), t[goal + k]));
    }
    return fold_sum(lane, loss);
}

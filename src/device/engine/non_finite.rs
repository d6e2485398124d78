//! Where numbers ended first.

use super::Tensor;

/// A tensor in which something non-finite was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonFinite {
    /// Its name.
    pub tensor: String,
    /// `"gradient"` or `"parameter"`.
    pub what: &'static str,
    /// The step at which it first happened, from 1.
    pub step: u32,
}

/// The earliest of the flags `[tensor] → (gradient, parameter)` counted from 0, `u32::MAX` for never.
pub(in crate::device) fn earliest(tensors: &[Tensor], flags: impl Iterator<Item = (u32, u32)>) -> Option<NonFinite> {
    let mut first: Option<(u32, &'static str, usize)> = None;
    for (t, (gradient, parameter)) in flags.enumerate() {
        for (step, what) in [(parameter, "parameter"), (gradient, "gradient")] {
            // Later tensors lie nearer to the loss and win a tie, and so does a gradient over a parameter.
            let wins = |(s, w, _): (u32, &str, usize)| step < s || (step == s && (what == w || what == "gradient"));
            if step != u32::MAX && first.is_none_or(wins) {
                first = Some((step, what, t));
            }
        }
    }
    first.map(|(step, what, t)| NonFinite { tensor: tensors[t].name.clone(), what, step: step + 1 })
}

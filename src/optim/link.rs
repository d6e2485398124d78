//! Linking a rule's WGSL from outside the crate.

use crate::kernel::wgsl;

/// The update kernel of a rule with `states` states, for [`Rule::source`](super::Rule::source) of a rule defined outside the
/// crate. `None` above 3 states.
///
/// `rule` defines, on four elements at once and with the arithmetic of [`Rule::update`](super::Rule::update),
///
/// ```text
/// fn rule(h: array<f32, 8>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated
/// ```
///
/// where `State` has the vec4s `a`, `b`, `c` (those that the rule lacks are 0 and ignored) and `Updated` is `(p, s)`.
///
/// # Examples
///
/// ```
/// use std::sync::LazyLock;
///
/// static SIGN: LazyLock<String> = LazyLock::new(|| {
///     let rule = "fn rule(h: array<f32, 8>, g: vec4<f32>, p: vec4<f32>, s: State) -> Updated {
///         return Updated(p - h[0] * sign(g), s);
///     }";
///     thalweg::optim::link(0, rule).expect("at most 3 states")
/// });
/// assert!(SIGN.contains("fn update("));
/// ```
pub fn link(states: usize, rule: &str) -> Option<String> {
    let head = match states {
        0 => wgsl!("optim/update0", "optim/update", "lib/control", "lib/grid"),
        1 => wgsl!("optim/update1", "optim/update", "lib/control", "lib/grid"),
        2 => wgsl!("optim/update2", "optim/update", "lib/control", "lib/grid"),
        3 => wgsl!("optim/update3", "optim/update", "lib/control", "lib/grid"),
        _ => return None,
    };
    Some(format!("{head}\n// ---- rule\n{rule}"))
}

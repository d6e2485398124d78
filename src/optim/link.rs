//! The update kernel of a rule.

use super::DynRule;
use crate::kernel::wgsl;

/// The whole WGSL of the fused update by `rule`; its entry point is `update`. `None` if the rule has more than 3 states.
pub fn link(rule: &dyn DynRule) -> Option<String> {
    let head = match rule.states().len() {
        0 => wgsl!("optim/update0", "optim/update", "lib/control", "lib/grid"),
        1 => wgsl!("optim/update1", "optim/update", "lib/control", "lib/grid"),
        2 => wgsl!("optim/update2", "optim/update", "lib/control", "lib/grid"),
        3 => wgsl!("optim/update3", "optim/update", "lib/control", "lib/grid"),
        _ => return None,
    };
    Some(format!("{head}\n// ---- rule\n{}", rule.source()))
}

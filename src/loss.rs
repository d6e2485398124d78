//! The room `loss`.

/// Every loss.
pub const ALL: &[crate::op::Entry] = &[];

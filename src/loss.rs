//! The room `loss`.
pub const ALL: &[crate::op::Entry] = &[];

//! Errors of the room `optim`.

/// To be filled by the room's author.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptimError {}

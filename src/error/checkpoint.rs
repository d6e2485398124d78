//! Errors of the room `checkpoint`.

/// To be filled by the room's author.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {}

//! Errors of the room `train`.

/// To be filled by the room's author.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {}

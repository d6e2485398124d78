//! Errors of the room `device`.

/// To be filled by the room's author.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {}

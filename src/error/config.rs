//! Errors of the room `config`.

/// To be filled by the room's author.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {}

//! The room `train`.

pub mod checkpoint;
pub mod config;

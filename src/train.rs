//! The room `train`.

pub mod config;

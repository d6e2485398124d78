//! The room `train`.

pub mod checkpoint;

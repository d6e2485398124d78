//! Trains neural networks on any Vulkan, Metal or DX12 GPU through hand-written WGSL kernels, with gradients proved in f64.
#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod check;
pub mod data;
pub mod device;
pub mod error;
pub mod graph;
pub mod kernel;
pub mod loss;
pub mod nn;
pub mod op;
pub mod optim;
pub mod rng;
pub mod scalar;
pub mod schedule;
pub mod shape;
pub mod train;

pub use error::{Error, Result};
pub use graph::{Graph, NodeId};
pub use scalar::Scalar;
pub use shape::Shape;

/// The README's Rust runs as a doc-test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Whether gradients and kernels are right.

mod bound;

pub use bound::{Bounded, bounds};

//! Whether gradients and kernels are right.
//!
//! Two questions, two answers. Is the derivative the derivative of the function? Both are computed in f64 on the cpu device, the
//! derivative against centred differences ([`graph()`], [`gradients`], [`op`], [`ops`]). Does the kernel compute what its twin
//! does? The GPU's f32 values are held to the f64 ones within [`bounds`] that come from the arithmetic of each op ([`kernels`]).
//!
//! [`graph()`] takes any graph, so ops defined outside the crate are checked by the same functions as the library's own.

mod bound;
mod burn_in;
mod case;
mod differences;
mod graph;
mod json;
mod kernel;
mod model;
mod probe;
mod report;
mod settings;
mod sweep;
mod table;
mod trace;
mod verdict;

pub use bound::{Bounded, bounds};
pub use case::{OpReport, OpsReport, fill, op, ops};
pub use graph::{GraphReport, TensorReport, graph};
pub use kernel::{KernelReport, kernels};
pub use model::{gradients, gradients_from};
pub use report::{Part, Point, PointReport, Report};
pub use settings::GradientCheck;
pub use sweep::{Sweep, SweepPoint};
pub use trace::trace;
pub use verdict::{Dimension, Verdict, relative_error};

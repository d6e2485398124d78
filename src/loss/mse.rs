//! Mean squared error.

use super::head::{Sources, head};
use super::pointwise::{self, Mean, Pointwise};
use super::terms;
use crate::error::GraphError;
use crate::graph::{Graph, NodeId};
use crate::kernel::wgsl;
use crate::op::rounding::{EPSILON, TINY};
use crate::op::{Case, Fill};
use crate::scalar::Scalar;

/// The square of the difference, mean over all elements.
///
/// ```text
/// x, t : any shape, at least one element   y : []
/// y = Σ (x − t)² / n
/// ∂L/∂x = 2 (x − t) / n · ∂L/∂y
/// ```
///
/// There is no ½. The mean runs over all elements, not rows: PyTorch's `MSELoss`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mse;

impl Pointwise for Mse {
    const NAME: &'static str = "mse";
    const GRADIENT: &'static str = "mse_gradient";
    const FORWARD: [&'static str; 2] = [
        wgsl!("loss/pointwise", "loss/mse", "lib/row_workgroup"),
        wgsl!("loss/pointwise", "loss/mse", "lib/row_invocation"),
    ];
    const BACKWARD: &'static str = wgsl!("loss/pointwise_gradient", "loss/mse", "lib/grid");
    const HEAD: Sources = head!("loss/head/values", "loss/head/pointwise", "loss/mse");

    fn value<T: Scalar>(x: T, t: T) -> T {
        (x - t) * (x - t)
    }

    fn slope<T: Scalar>(x: T, t: T) -> T {
        T::of(2.0) * (x - t)
    }

    fn curvature(g: &mut Graph, _: NodeId, _: NodeId, v: NodeId) -> Result<NodeId, GraphError> {
        g.scale(v, 2.0)
    }

    fn value_error((x, ex): (f64, f64), (t, et): (f64, f64)) -> f64 {
        let e = terms::difference(x - t, ex + et);
        terms::product(x - t, e, x - t, e)
    }

    fn slope_error((x, ex): (f64, f64), (t, et): (f64, f64)) -> f64 {
        2.0 * terms::difference(x - t, ex + et) * (1.0 + EPSILON) + TINY
    }
}

impl Graph {
    /// `Σ (x − t)² / n` over all n elements. See [`Mse`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if the shapes differ or are empty, [`GraphError::Dtype`] if one holds indices.
    pub fn mse(&mut self, x: NodeId, t: NodeId) -> Result<NodeId, GraphError> {
        self.apply(Mean(Mse), &[x, t])
    }
}

/// What the suite checks.
pub fn cases() -> Vec<Case> {
    pointwise::cases(Mse, Fill::Uniform(-3.0, 3.0))
}

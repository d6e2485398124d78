//! The Huber loss.

use super::head::{Sources, head};
use super::pointwise::{self, Mean, Pointwise};
use super::terms;
use crate::error::GraphError;
use crate::graph::{Graph, NodeId};
use crate::kernel::wgsl;
use crate::op::rounding::{EPSILON, TINY};
use crate::op::unary::{Function, UnaryGradient};
use crate::op::{Case, Fill};
use crate::scalar::Scalar;

/// A square near the target, a line beyond 1: outliers pull with a force of at most 1. Mean over all elements.
///
/// ```text
/// x, t : any shape, at least one element   y : []   d = x − t
/// y = Σ ℓ / n      ℓ = ½ d² for |d| ≤ 1, |d| − ½ beyond
/// ∂L/∂x = clamp(d, −1, 1) / n · ∂L/∂y
/// ```
///
/// PyTorch's `HuberLoss` with `delta = 1`, which is its `SmoothL1Loss` too. The slope is continuous; its derivative jumps at |d| = 1, which costs
/// a centred difference its accuracy, so the side is tracked as a winner.
///
/// **Source** Huber, *Robust estimation of a location parameter* (1964).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Huber;

impl Pointwise for Huber {
    const NAME: &'static str = "huber";
    const GRADIENT: &'static str = "huber_gradient";
    const FORWARD: [&'static str; 2] = [
        wgsl!("loss/pointwise", "loss/huber", "lib/row_workgroup"),
        wgsl!("loss/pointwise", "loss/huber", "lib/row_invocation"),
    ];
    const BACKWARD: &'static str = wgsl!("loss/pointwise_gradient", "loss/huber", "lib/grid", "lib/nan");
    const HEAD: Sources = head!("loss/head/values", "loss/head/pointwise", "loss/huber");

    fn value<T: Scalar>(x: T, t: T) -> T {
        let d = (x - t).abs();
        if d <= T::one() { T::of(0.5) * d * d } else { d - T::of(0.5) }
    }

    fn slope<T: Scalar>(x: T, t: T) -> T {
        let d = x - t;
        if d > T::one() {
            T::one()
        } else if d < -T::one() {
            -T::one()
        } else {
            d
        }
    }

    fn curvature(g: &mut Graph, x: NodeId, t: NodeId, v: NodeId) -> Result<NodeId, GraphError> {
        // 1 within 1 of the target: where 1 − |d|, a slope of relu's, is above 0.
        let d = g.sub(x, t)?;
        let size = g.abs(d)?;
        let nothing = g.scale(d, 0.0)?;
        let one = g.exp(nothing)?;
        let within = g.sub(one, size)?;
        g.apply(UnaryGradient { function: Function::Relu }, &[within, v])
    }

    fn value_error((x, ex): (f64, f64), (t, et): (f64, f64)) -> f64 {
        // ℓ is a convex function of slope at most min(|d|, 1), then at most two products are rounded.
        let d = (x - t).abs();
        let e = terms::difference(d, ex + et);
        let moved = e * (d + e).min(1.0);
        moved + 2.0 * EPSILON * (1.0 + EPSILON) * (Self::value(x, t) + moved) + 2.0 * TINY
    }

    fn slope_error((x, ex): (f64, f64), (t, et): (f64, f64)) -> f64 {
        terms::difference(x - t, ex + et).min(2.0)
    }

    fn branch(x: f64, t: f64) -> Option<u32> {
        let d = x - t;
        Some(if d > 1.0 { 2 } else { u32::from(d < -1.0) })
    }
}

impl Graph {
    /// Mean of ½ d² within 1 of the target and |d| − ½ beyond. See [`Huber`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if the shapes differ or are empty, [`GraphError::Dtype`] if one holds indices.
    pub fn huber(&mut self, x: NodeId, t: NodeId) -> Result<NodeId, GraphError> {
        self.apply(Mean(Huber), &[x, t])
    }
}

/// What the suite checks.
pub fn cases() -> Vec<Case> {
    pointwise::cases(Huber, Fill::Uniform(-3.0, 3.0))
}

//! Binary cross-entropy of logits.

use super::head::{Sources, head};
use super::pointwise::{self, Mean, Pointwise};
use super::terms;
use crate::error::GraphError;
use crate::graph::{Graph, NodeId};
use crate::kernel::wgsl;
use crate::op::rounding::{self, DIVIDE, EPSILON, TINY};
use crate::op::unary::{Function, UnaryGradient};
use crate::op::{Case, Fill};
use crate::scalar::Scalar;

/// Binary cross-entropy of the sigmoid of logits, mean over all elements.
///
/// ```text
/// x, t : any shape, at least one element; t in [0, 1]   y : []
/// y = Σ ℓ / n      ℓ = −t ln σ(x) − (1 − t) ln(1 − σ(x)) = max(x, 0) − x t + ln(1 + exp(−|x|))
/// ∂L/∂x = (σ(x) − t) / n · ∂L/∂y
/// ```
///
/// The last form has no exponent above 0: `ln σ(x)` as written is −∞ from a logit of −104 on, and of 17 for the other term. Targets outside `[0, 1]` are not refused; the
/// loss may then be negative. A logit of 0 costs ln 2. PyTorch's `BCEWithLogitsLoss`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BceWithLogits;

impl Pointwise for BceWithLogits {
    const NAME: &'static str = "bce_with_logits";
    const GRADIENT: &'static str = "bce_with_logits_gradient";
    const FORWARD: [&'static str; 2] = [
        wgsl!("loss/pointwise", "loss/bce_with_logits", "lib/row_workgroup"),
        wgsl!("loss/pointwise", "loss/bce_with_logits", "lib/row_invocation"),
    ];
    const BACKWARD: &'static str = wgsl!("loss/pointwise_gradient", "loss/bce_with_logits", "lib/grid");
    const HEAD: Sources = head!("loss/head/values", "loss/head/pointwise", "loss/bce_with_logits");

    fn value<T: Scalar>(x: T, t: T) -> T {
        x.max(T::zero()) - x * t + (-x.abs()).exp().ln_1p()
    }

    fn slope<T: Scalar>(x: T, t: T) -> T {
        let z = (-x.abs()).exp();
        let above = if x >= T::zero() { T::one() } else { z };
        above / (T::one() + z) - t
    }

    fn curvature(g: &mut Graph, x: NodeId, _: NodeId, v: NodeId) -> Result<NodeId, GraphError> {
        let sigmoid = g.sigmoid(x)?;
        g.apply(UnaryGradient { function: Function::Sigmoid }, &[sigmoid, v])
    }

    fn value_error((x, ex): (f64, f64), (t, et): (f64, f64)) -> f64 {
        let z = (-(x.abs() - ex).max(0.0)).exp();
        let dz = z * rounding::exp(x.abs() + ex) + TINY;
        // Below 0.01 a series of five operations cut at z⁴/4, above it WGSL's log of a rounded sum, which is far worse.
        let series = z.powi(4) / 4.0 + 12.0 * EPSILON * z;
        let log = rounding::log((z + dz).ln_1p()) + EPSILON;
        let log1p = dz + if z + dz < 0.0099 { series } else { log };
        let product = terms::product(x, ex, t, et);
        let (first, second) = (x.max(0.0), (x * t).abs() + product);
        let roundings = EPSILON * (first + ex + second) + EPSILON * (Self::value(x, t).abs() + ex + product);
        // max and the logarithm together move by at most ex: their slope is σ(x).
        ex + product + log1p + 1.01 * roundings + EPSILON * log1p
    }

    fn slope_error((x, ex): (f64, f64), (t, et): (f64, f64)) -> f64 {
        // σ has slope at most ¼. The relative errors of z enter both sides of the quotient.
        let z = (-x.abs()).exp();
        let dz = z * ex.exp() * rounding::exp(x.abs() + ex) + TINY;
        let sigmoid = 1.0 / (1.0 + (-x).exp());
        let moved = 0.25 * ex + dz + sigmoid * (DIVIDE + 2.0 * EPSILON) * 1.01 + TINY;
        terms::difference(sigmoid - t, moved + et)
    }
}

impl Graph {
    /// Mean of `−t ln σ(x) − (1 − t) ln(1 − σ(x))`, stably. See [`BceWithLogits`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if the shapes differ or are empty, [`GraphError::Dtype`] if one holds indices.
    pub fn bce_with_logits(&mut self, x: NodeId, t: NodeId) -> Result<NodeId, GraphError> {
        self.apply(Mean(BceWithLogits), &[x, t])
    }
}

/// What the suite checks.
pub fn cases() -> Vec<Case> {
    pointwise::cases(BceWithLogits, Fill::Uniform(0.0, 1.0))
}

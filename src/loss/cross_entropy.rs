//! Cross-entropy of classes, fused with softmax.

use super::chain::chain;
use super::head::{Sources, head};
use super::rows::{RowLoss, RowMean, RowMeanGradient, Rows, Target};
use super::terms;
use crate::error::GraphError;
use crate::graph::{Graph, NodeId};
use crate::kernel::wgsl;
use crate::op::rounding::{DIVIDE, EPSILON, TINY};
use crate::op::softmax::{Line, SoftmaxGradient};
use crate::op::{Case, Fill};
use crate::scalar::Scalar;

/// Minus the logarithm of the right class's softmax, mean over rows.
///
/// ```text
/// s : [N, C] logits   t : [N] classes in [0, C)   y : []
/// m = max s;  S = Σ exp(s − m)      a row
/// y = Σ (ln S − (s_t − m)) / N
/// ∂L/∂s = (softmax(s) − [k = t]) / N · ∂L/∂y
/// ```
///
/// The softmax is never formed in the forward pass, so logits of ±1000 lose nothing. A uniform guess costs ln C (2.303 for ten classes). A class beyond the
/// last is taken for the last, on both devices alike: labels are checked before they are fed. PyTorch's `CrossEntropyLoss`
/// with classes as targets.
///
/// **On the GPU** `shaders/loss/cross_entropy.wgsl`: a launch over rows and the tree of their mean; the derivative is one launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrossEntropy;

impl RowLoss for CrossEntropy {
    const NAME: &'static str = "cross_entropy";
    const GRADIENT: &'static str = "cross_entropy_gradient";
    const CLASSES: bool = true;
    const FORWARD: [&'static str; 2] =
        [wgsl!("loss/cross_entropy", "lib/row_workgroup"), wgsl!("loss/cross_entropy", "lib/row_invocation")];
    const BACKWARD: [&'static str; 2] = [
        wgsl!("loss/cross_entropy_gradient", "lib/row_workgroup"),
        wgsl!("loss/cross_entropy_gradient", "lib/row_invocation"),
    ];
    const HEAD: Sources = head!("loss/head/classes", "loss/head/cross_entropy");
    const CHAIN: &'static str = chain!("loss/head/classes", "loss/head/cross_entropy");

    fn value<T: Scalar>(s: &[T], t: Target<'_, T>) -> T {
        let (m, total) = exponents(s);
        total.ln() - (s[t.class()] - m)
    }

    fn slopes<T: Scalar>(s: &[T], t: Target<'_, T>, share: T, ds: &mut [T]) {
        let (m, total) = exponents(s);
        for (k, (ds, &s)) in ds.iter_mut().zip(s).enumerate() {
            let right = if k == t.class() { T::one() } else { T::zero() };
            *ds = share * ((s - m).exp() / total - right);
        }
    }

    fn curvature(g: &mut Graph, s: NodeId, _: NodeId, v: NodeId) -> Result<Option<NodeId>, GraphError> {
        let p = g.softmax(s, 1)?;
        g.apply(SoftmaxGradient { axis: 1, logarithm: false }, &[p, v]).map(Some)
    }

    fn value_error(row: &Rows<'_>) -> f64 {
        let (line, class) = (line(row), row.t.class());
        let distance = (row.s[class] - line.largest).abs() + 2.0 * line.slack;
        // A shift of m cancels against ln S; its own error does not count.
        let distance = row.s_error[class] + EPSILON * distance;
        terms::difference(Self::value(row.s, row.t), line.log_total_error() + distance) + TINY
    }

    fn slope_errors(row: &Rows<'_>, (share, share_error): (f64, f64), error: &mut [f64]) {
        let line = line(row);
        for (k, e) in error.iter_mut().enumerate() {
            let (p, p_error) = probability(&line, row.s[k], row.s_error[k]);
            let d = if k == row.t.class() { p - 1.0 } else { p };
            *e = terms::product(share, share_error, d, terms::difference(d, p_error));
        }
    }
}

/// `(max s, Σ exp(s − max s))`
pub(super) fn exponents<T: Scalar>(s: &[T]) -> (T, T) {
    let m = s.iter().copied().fold(s[0], |a, b| if b > a { b } else { a });
    (m, s.iter().map(|&s| (s - m).exp()).sum())
}

pub(super) fn line(row: &Rows<'_>) -> Line {
    Line::new(0..row.s.len(), row.s, row.s_error)
}

/// A softmax probability and the most by which the kernel's may be off.
pub(super) fn probability(line: &Line, s: f64, error: f64) -> (f64, f64) {
    let p = (s - line.largest).exp() / line.total;
    if line.total_error >= 1.0 {
        return (p, f64::INFINITY);
    }
    let relative = (1.0 + line.power_error(s, error)) * (1.0 + DIVIDE) / (1.0 - line.total_error) - 1.0;
    (p, p * relative + 2.0 * TINY)
}

impl Graph {
    /// Cross-entropy of logits `[N, C]` and classes `[N]`, mean over rows. See [`CrossEntropy`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if the shapes are not these, [`GraphError::Dtype`] if the operands hold the wrong things.
    pub fn cross_entropy(&mut self, logits: NodeId, classes: NodeId) -> Result<NodeId, GraphError> {
        self.apply(RowMean(CrossEntropy), &[logits, classes])
    }
}

/// What the suite checks.
pub fn cases() -> Vec<Case> {
    let mut cases = super::class_cases(RowMean(CrossEntropy));
    cases.push(
        Case::new("gradient", RowMeanGradient(CrossEntropy))
            .real([65, 10], Fill::Uniform(-4.0, 4.0))
            .fixed([65], Fill::Index(10))
            .fixed([0usize; 0], Fill::Constant(-1.5)),
    );
    cases
}

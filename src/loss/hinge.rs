//! The multiclass hinge of CS231n.

use super::chain::chain;
use super::head::{Sources, head};
use super::rows::{RowLoss, RowMean, RowMeanGradient, Rows, Target};
use super::terms;
use crate::error::GraphError;
use crate::graph::{Graph, NodeId};
use crate::kernel::wgsl;
use crate::op::rounding::{EPSILON, TINY, gamma};
use crate::op::{Case, Fill};
use crate::scalar::Scalar;

/// Every wrong class within 1 of the right one's score costs the overlap; mean over rows.
///
/// ```text
/// s : [N, C] scores   t : [N] classes in [0, C)   y : []
/// y = Σ_n Σ_{k ≠ t} max(0, s_k − s_t + 1) / N
/// ∂L/∂s_k = [s_k − s_t + 1 > 0] / N · ∂L/∂y for k ≠ t;   ∂L/∂s_t = −(how many such k) / N · ∂L/∂y
/// ```
///
/// Scores of zero cost C − 1 (9 for ten classes). PyTorch's `MultiMarginLoss` divides by C besides and is another number; Crammer and Singer's
/// hinge takes only the worst class. At the kink the derivative is 0. A class beyond the last is taken for the last.
///
/// **Source** Weston & Watkins, *Support vector machines for multi-class pattern recognition* (1999), as in the course CS231n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hinge;

impl RowLoss for Hinge {
    const NAME: &'static str = "hinge";
    const GRADIENT: &'static str = "hinge_gradient";
    const CLASSES: bool = true;
    const FORWARD: [&'static str; 2] =
        [wgsl!("loss/hinge", "lib/row_workgroup"), wgsl!("loss/hinge", "lib/row_invocation")];
    const BACKWARD: [&'static str; 2] =
        [wgsl!("loss/hinge_gradient", "lib/row_workgroup"), wgsl!("loss/hinge_gradient", "lib/row_invocation")];
    const HEAD: Sources = head!("loss/head/classes", "loss/head/hinge");
    const CHAIN: &'static str = chain!("loss/head/classes", "loss/head/hinge");

    fn value<T: Scalar>(s: &[T], t: Target<'_, T>) -> T {
        let t = t.class();
        let margin = |k: usize| s[k] - s[t] + T::one();
        // Not `max`, which turns NaN into 0 and hides it.
        let cost = |k: usize| if k == t || margin(k) < T::zero() { T::zero() } else { margin(k) };
        (0..s.len()).map(cost).sum()
    }

    fn slopes<T: Scalar>(s: &[T], t: Target<'_, T>, share: T, ds: &mut [T]) {
        let t = t.class();
        let mut active = T::zero();
        for k in 0..s.len() {
            let margin = s[k] - s[t] + T::one();
            let (slope, counts) = match () {
                () if k == t => (T::zero(), T::zero()),
                // A score that is no number has no gradient: that must show.
                () if margin.is_nan() => (margin, margin),
                () if margin > T::zero() => (share, T::one()),
                () => (T::zero(), T::zero()),
            };
            ds[k] = slope;
            active += counts;
        }
        ds[t] = -active * share;
    }

    fn curvature(_: &mut Graph, _: NodeId, _: NodeId, _: NodeId) -> Result<Option<NodeId>, GraphError> {
        Ok(None)
    }

    fn value_error(row: &Rows<'_>) -> f64 {
        let (mut sizes, mut errors) = (0.0, 0.0);
        for (margin, error) in margins(row).flatten() {
            let term = margin.max(0.0);
            // Clear of the kink on the far side, both are 0.
            let error = if margin + error < 0.0 { 0.0 } else { error };
            sizes += term + error;
            errors += error;
        }
        errors + gamma(row.s.len()) * sizes
    }

    fn slope_errors(row: &Rows<'_>, (share, share_error): (f64, f64), error: &mut [f64]) {
        let (mut active, mut open) = (0.0, 0.0);
        error.fill(0.0);
        for (k, margin) in margins(row).enumerate() {
            let Some((margin, slack)) = margin else { continue };
            // Within its own error of the kink, a margin may count or not.
            if margin.abs() <= slack {
                open += 1.0;
                error[k] = share.abs() + share_error;
            } else if margin > 0.0 {
                active += 1.0;
                error[k] = share_error;
            }
        }
        // Counts are exact; their product with the share is rounded once.
        let count = active + open;
        error[row.t.class()] = open * share.abs() + terms::product(count, 0.0, share, share_error);
    }

    fn winners(s: &[f64], t: Target<'_, f64>, out: &mut Vec<u32>) {
        let t = t.class();
        out.extend((0..s.len()).filter(|&k| k != t).map(|k| u32::from(s[k] - s[t] + 1.0 > 0.0)));
    }
}

/// Each wrong class's `s_k − s_t + 1` and the most by which the kernel's may be off; `None` for the right class.
fn margins(row: &Rows<'_>) -> impl Iterator<Item = Option<(f64, f64)>> {
    let t = row.t.class();
    (0..row.s.len()).map(move |k| {
        (k != t).then(|| {
            let difference = row.s[k] - row.s[t];
            let error = terms::difference(difference, row.s_error[k] + row.s_error[t]);
            (difference + 1.0, terms::difference(difference + 1.0, error) + EPSILON * TINY)
        })
    })
}

impl Graph {
    /// Weston–Watkins hinge of scores `[N, C]` and classes `[N]`, mean over rows. See [`Hinge`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if the shapes are not these, [`GraphError::Dtype`] if the operands hold the wrong things.
    pub fn hinge(&mut self, scores: NodeId, classes: NodeId) -> Result<NodeId, GraphError> {
        self.apply(RowMean(Hinge), &[scores, classes])
    }
}

/// What the suite checks.
pub fn cases() -> Vec<Case> {
    let mut cases = super::class_cases(RowMean(Hinge));
    cases.push(
        Case::new("gradient", RowMeanGradient(Hinge))
            .fixed([65, 10], Fill::Uniform(-4.0, 4.0))
            .fixed([65], Fill::Index(10))
            .fixed([0usize; 0], Fill::Constant(-1.5)),
    );
    cases
}

//! Cross-entropy of target probabilities, fused with softmax.

use super::cross_entropy::{exponents, line, probability};
use super::chain::chain;
use super::head::{Sources, head};
use super::rows::{RowLoss, RowMean, RowMeanGradient, Rows, Target};
use super::terms;
use crate::error::GraphError;
use crate::graph::{Graph, NodeId};
use crate::kernel::wgsl;
use crate::op::rounding::{EPSILON, TINY, gamma};
use crate::op::softmax::SoftmaxGradient;
use crate::op::{Case, Fill};
use crate::scalar::Scalar;

/// Cross-entropy against a distribution over the classes, mean over rows: smoothed labels, a teacher's outputs.
///
/// ```text
/// s : [N, C] logits   t : [N, C] weights   y : []
/// m = max s;  S = Σ exp(s − m)      a row
/// y = Σ Σ t_k (ln S − (s_k − m)) / N
/// ∂L/∂s = (softmax(s) Σt − t) / N · ∂L/∂y
/// ```
///
/// The weights of a row need not sum to 1: `softmax(s) − t`, as often written, is right only where they do. A one-hot row
/// costs what [`CrossEntropy`](super::cross_entropy::CrossEntropy) costs. PyTorch's `CrossEntropyLoss` with probabilities as targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftCrossEntropy;

impl RowLoss for SoftCrossEntropy {
    const NAME: &'static str = "soft_cross_entropy";
    const GRADIENT: &'static str = "soft_cross_entropy_gradient";
    const CLASSES: bool = false;
    const FORWARD: [&'static str; 2] =
        [wgsl!("loss/soft_cross_entropy", "lib/row_workgroup"), wgsl!("loss/soft_cross_entropy", "lib/row_invocation")];
    const BACKWARD: [&'static str; 2] = [
        wgsl!("loss/soft_cross_entropy_gradient", "lib/row_workgroup"),
        wgsl!("loss/soft_cross_entropy_gradient", "lib/row_invocation"),
    ];
    const HEAD: Sources = head!("loss/head/values", "loss/head/soft_cross_entropy");
    const CHAIN: &'static str = chain!("loss/head/values", "loss/head/soft_cross_entropy");

    fn value<T: Scalar>(s: &[T], t: Target<'_, T>) -> T {
        let (m, total) = exponents(s);
        s.iter().zip(t.weights()).map(|(&s, &t)| t * (total.ln() - (s - m))).sum()
    }

    fn slopes<T: Scalar>(s: &[T], t: Target<'_, T>, share: T, ds: &mut [T]) {
        let (m, total) = exponents(s);
        let weight: T = t.weights().iter().copied().sum();
        for ((ds, &s), &t) in ds.iter_mut().zip(s).zip(t.weights()) {
            *ds = share * ((s - m).exp() / total * weight - t);
        }
    }

    fn curvature(g: &mut Graph, s: NodeId, t: NodeId, v: NodeId) -> Result<Option<NodeId>, GraphError> {
        let p = g.softmax(s, 1)?;
        let full = g.apply(SoftmaxGradient { axis: 1, logarithm: false }, &[p, v])?;
        let weight = g.sum(t, 1, true)?;
        g.mul(full, weight).map(Some)
    }

    fn value_error(row: &Rows<'_>) -> f64 {
        let line = line(row);
        let log = line.total.ln();
        let terms = row.s.iter().zip(row.s_error).zip(row.t.weights().iter().zip(row.t_error));
        let (mut sizes, mut errors) = (0.0, 0.0);
        for ((s, es), (t, et)) in terms {
            let distance = (s - line.largest).abs();
            let moved = es + EPSILON * (distance + 2.0 * line.slack) + line.log_total_error();
            // ln S − (s − m) is a sum of two numbers that are not negative.
            let a = log + distance;
            let error = terms::product(*t, *et, a, terms::difference(a, moved));
            sizes += (t * a).abs() + error;
            errors += error;
        }
        errors + gamma(row.s.len()) * sizes
    }

    fn slope_errors(row: &Rows<'_>, (share, share_error): (f64, f64), error: &mut [f64]) {
        let (line, t) = (line(row), row.t.weights());
        let weight: f64 = t.iter().sum();
        let arrived: f64 = row.t_error.iter().sum();
        let sizes = t.iter().map(|t| t.abs()).sum::<f64>() + arrived;
        let weight_error = arrived + gamma(t.len()) * sizes + TINY;
        for (k, e) in error.iter_mut().enumerate() {
            let (p, p_error) = probability(&line, row.s[k], row.s_error[k]);
            let scaled = terms::product(p, p_error, weight, weight_error);
            let d = p * weight - t[k];
            *e = terms::product(share, share_error, d, terms::difference(d, scaled + row.t_error[k]));
        }
    }
}

impl Graph {
    /// Cross-entropy of logits `[N, C]` and weights `[N, C]`, mean over rows. See [`SoftCrossEntropy`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if the shapes are not these, [`GraphError::Dtype`] if an operand holds indices.
    pub fn soft_cross_entropy(&mut self, logits: NodeId, weights: NodeId) -> Result<NodeId, GraphError> {
        self.apply(RowMean(SoftCrossEntropy), &[logits, weights])
    }
}

/// What the suite checks.
pub fn cases() -> Vec<Case> {
    let (logits, op) = (Fill::Uniform(-4.0, 4.0), RowMean(SoftCrossEntropy));
    let case = |shape: [usize; 2], sum: f64| {
        Case::new(format!("{shape:?}, weights sum to {sum}"), op).real(shape, logits).fixed(shape, Fill::Rows(sum))
    };
    let edge = |label: &str, fill: Fill, width: usize| {
        let label = format!("{label}, width {width}");
        Case::new(label, op).real([9, width], fill).fixed([9, width], Fill::Rows(1.0)).edge()
    };
    let mut cases = vec![
        case([1, 1], 1.0),
        case([1, 10], 1.0),
        case([63, 10], 1.0),
        case([65, 10], 2.5),
        case([64, 1], 0.5),
        case([3, 1009], 0.25),
        case([5, 127], 1.0),
        Case::new("weights of either sign", op).real([9, 7], logits).fixed([9, 7], Fill::Uniform(-1.0, 1.0)),
    ];
    for width in [10, 200] {
        cases.push(edge("logits to ±1000", Fill::Uniform(-1000.0, 1000.0), width));
        cases.push(edge("all 1000", Fill::Constant(1000.0), width));
        cases.push(edge("all −1000", Fill::Constant(-1000.0), width));
    }
    cases.push(
        Case::new("gradient", RowMeanGradient(SoftCrossEntropy))
            .real([65, 10], logits)
            .fixed([65, 10], Fill::Rows(1.5))
            .fixed([0usize; 0], Fill::Constant(-1.5)),
    );
    cases.push(case([4096, 1000], 1.0).edge().benched());
    cases
}

//! One dimension: the step is chosen so that neither a kink nor rounding decides.

use super::probe::{Difference, Probe};
use super::verdict::{Dimension, Verdict, relative_error};
use crate::graph::NodeId;
use crate::shape::Shape;

/// Evaluations lie at most this many standard deviations of their rounding beside the truth.
const DEVIATIONS: f64 = 8.0;

/// Compares `analytic` with centred differences in one dimension.
///
/// The verdict is the band at step `h`, except that
/// - a step that crosses a kink is shortened, twice at most;
/// - where the bands say fail, longer and shorter steps are tried: a steep function wants a shorter one, a rounded one a longer. Only
///   agreement to 1e-7, or to 1e-4 where there are kinks and rounding cannot have feigned it, turns the verdict: a wrong derivative
///   agrees at no step;
/// - what is left, and no larger than the rounding of f explains (8σ/h), is below resolution.
pub(super) fn compare(
    probe: &mut Probe<'_>,
    (id, element): (NodeId, usize),
    analytic: f64,
    h: f64,
    smooth: bool,
) -> (Difference, Verdict) {
    let mut difference = probe.difference(id, element, h);
    for shorter in [h / 10.0, h / 100.0] {
        if !difference.crossed {
            break;
        }
        let again = probe.difference(id, element, shorter);
        if !again.crossed {
            difference = again;
        }
    }
    // A derivative that is not finite is wrong on either side of a kink.
    if difference.crossed && analytic.is_finite() {
        return (difference, Verdict::CrossedKink);
    }
    let verdict = Verdict::of(analytic, difference.numeric, smooth);
    if verdict.passes() || !analytic.is_finite() || !difference.numeric.is_finite() {
        return (difference, verdict);
    }
    let rounding = DEVIATIONS * probe.noise(id, element, &difference);
    for other in [10.0 * h, 100.0 * h, h / 10.0, h / 100.0] {
        let again = probe.difference(id, element, other);
        let judged = Verdict::of(analytic, again.numeric, smooth);
        let feigned = rounding / again.step > 1e-5 * analytic.abs().max(again.numeric.abs());
        if !again.crossed && (judged == Verdict::Correct || (judged == Verdict::Fine && !feigned)) {
            return (again, judged);
        }
    }
    let explained = (analytic - difference.numeric).abs() <= rounding / difference.step;
    (difference, if explained { Verdict::BelowResolution } else { verdict })
}

/// The record of a comparison.
pub(super) fn dimension(
    shape: &Shape,
    element: usize,
    analytic: f64,
    (d, verdict): (Difference, Verdict),
) -> Dimension {
    let error = relative_error(analytic, d.numeric);
    Dimension { index: unravel(shape, element), numeric: d.numeric, analytic, error, step: d.step, verdict }
}

/// The index along each axis of a row-major element.
pub(super) fn unravel(shape: &Shape, mut element: usize) -> Vec<usize> {
    let mut index = vec![0; shape.rank()];
    for (i, &axis) in index.iter_mut().zip(shape.axes()).rev() {
        *i = element % axis.max(1);
        element /= axis.max(1);
    }
    index
}

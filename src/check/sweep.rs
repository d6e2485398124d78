//! The V-shaped curve of the error over the step: truncation falls as h², rounding rises as 1/h.

use super::GradientCheck;
use super::graph::choose;
use super::probe::Probe;
use super::verdict::relative_error;
use crate::graph::NodeId;

/// The errors at one step.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct SweepPoint {
    /// h
    pub step: f64,
    /// The median relative error.
    pub median: f64,
    /// The largest.
    pub worst: f64,
    /// Dimensions compared: neither crossing a kink nor both 0.
    pub compared: usize,
    /// Dimensions that crossed a kink.
    pub crossed: usize,
}

/// The errors over steps 1e-1, 1e-2, …, 1e-10.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Sweep {
    /// From the largest step to the smallest.
    pub points: Vec<SweepPoint>,
}

impl Sweep {
    /// The step with the smallest median error; `None` where nothing could be compared.
    pub fn minimum(&self) -> Option<&SweepPoint> {
        self.points.iter().filter(|p| p.compared > 0).min_by(|a, b| a.median.total_cmp(&b.median))
    }
}

/// Measures over at most as many dimensions of each tensor as the check samples.
pub(super) fn measure(probe: &mut Probe<'_>, wrt: &[NodeId], analytic: &[Vec<f64>], check: &GradientCheck) -> Sweep {
    let point = |decade: i32| {
        let step = 10f64.powi(-decade);
        let (mut errors, mut crossed) = (Vec::new(), 0);
        for (t, (&id, analytic)) in wrt.iter().zip(analytic).enumerate() {
            for element in choose(analytic, check, t as u32) {
                let d = probe.difference(id, element, step);
                if d.crossed {
                    crossed += 1;
                } else if !(d.numeric == 0.0 && analytic[element] == 0.0) {
                    errors.push(relative_error(analytic[element], d.numeric));
                }
            }
        }
        errors.sort_unstable_by(f64::total_cmp);
        let (median, worst) = (errors.get(errors.len() / 2), errors.last());
        let or_nan = |x: Option<&f64>| x.copied().unwrap_or(f64::NAN);
        SweepPoint { step, median: or_nan(median), worst: or_nan(worst), compared: errors.len(), crossed }
    };
    Sweep { points: (1..=10).map(point).collect() }
}

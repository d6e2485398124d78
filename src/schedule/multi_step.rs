//! Step decay at chosen times.

use super::keys::{self, written};
use super::{Curve, Keys, MILESTONES, Moment, Unit};
use crate::error::OptimError;

/// Cuts the rate by a factor at each milestone.
///
/// # Formula
///
/// ```text
/// η = α₀ · factor^#{m in milestones: m ≤ t}          t = 0, 1, …, in `unit`s
/// ```
///
/// PyTorch's `MultiStepLR(milestones, gamma = factor)`.
///
/// # Examples
///
/// The paper's schedule of ResNet-20 on CIFAR-10, in epochs:
///
/// ```
/// use thalweg::schedule::{Curve, Moment, MultiStep, Unit};
///
/// let cuts = MultiStep { milestones: vec![82, 123], factor: 0.1, unit: Unit::Epoch };
/// let rates = [0, 81, 82, 122, 123].map(|epoch| cuts.rate(0.1, &Moment::new(391 * epoch, 391, 164)));
/// assert_eq!(rates, [0.1, 0.1, 0.010000000000000002, 0.010000000000000002, 0.0010000000000000002]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MultiStep {
    /// When it is cut: rising, from 1 on, at least one. No default.
    pub milestones: Vec<u64>,
    /// What remains after a cut. Positive and finite; above 1 the rate grows. No default (PyTorch: 0.1).
    pub factor: f64,
    /// What milestones count. Default whole epochs.
    pub unit: Unit,
}

impl MultiStep {
    pub(super) const KEYS: &'static [&'static str] = &["milestones", "factor", "unit"];

    pub(super) fn read(keys: &Keys<'_>) -> Result<Self, OptimError> {
        Ok(Self {
            milestones: keys.counts("milestones", "when the rate is cut, for example [30, 60]")?,
            factor: keys.number("factor", "what remains of the rate after a cut, for example 0.1")?,
            unit: keys.unit("unit", Unit::Epoch)?,
        })
    }

    pub(super) fn write(&self) -> toml::Table {
        let milestones: Vec<_> = self.milestones.iter().map(|&m| written(m)).collect();
        keys::table([
            ("milestones", Some(milestones.into())),
            ("factor", Some(self.factor.into())),
            ("unit", Some(self.unit.name().into())),
        ])
    }
}

impl Curve for MultiStep {
    fn name(&self) -> &'static str {
        "multi_step"
    }

    fn validate(&self) -> Result<(), OptimError> {
        if self.milestones.is_empty() {
            let (owner, expected) = ("schedule multi_step".into(), "at least one, for example [30, 60]");
            return Err(OptimError::Missing { owner, field: "milestones", expected });
        }
        let before = [0].iter().chain(&self.milestones);
        if let Some((_, &found)) = before.zip(&self.milestones).find(|(before, next)| next <= before) {
            return keys::range("multi_step", "milestones", MILESTONES, found as f64, false);
        }
        let inside = self.factor > 0.0 && self.factor.is_finite();
        keys::range("multi_step", "factor", "positive and finite", self.factor, inside)
    }

    fn rate(&self, base: f64, at: &Moment) -> f64 {
        let t = self.unit.count(at);
        base * self.factor.powf(self.milestones.iter().filter(|&&m| m <= t).count() as f64)
    }
}

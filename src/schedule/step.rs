//! Step decay.

use super::{Curve, Keys, Moment, keys};
use crate::error::OptimError;

/// Cuts the rate by a factor every few epochs.
///
/// # Formula
///
/// ```text
/// η = α₀ · factor^⌊epoch / every⌋          epoch = 0, 1, …
/// ```
///
/// PyTorch's `StepLR(step_size = every, gamma = factor)`, stepped once an epoch.
///
/// # Examples
///
/// Halved every 5 epochs, the example of CS231n's notes:
///
/// ```
/// use thalweg::schedule::{Curve, Moment, Step};
///
/// let halve = Step { every: 5, factor: 0.5 };
/// let rates = [4, 5, 50].map(|epoch| halve.rate(1.0, &Moment::new(100 * epoch, 100, 60)));
/// assert_eq!(rates, [1.0, 0.5, 0.0009765625]); // 2⁻¹⁰
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Epochs between two cuts. At least 1. No default.
    pub every: u64,
    /// What remains after a cut. Positive and finite; above 1 the rate grows. No default.
    pub factor: f64,
}

impl Step {
    pub(super) const KEYS: &'static [&'static str] = &["every", "factor"];

    pub(super) fn read(keys: &Keys<'_>) -> Result<Self, OptimError> {
        let every = keys.count("every", "the epochs between two cuts, for example 5")?;
        Ok(Self { every, factor: keys.number("factor", "what remains of the rate after a cut, for example 0.5")? })
    }

    pub(super) fn write(&self) -> toml::Table {
        let every = i64::try_from(self.every).unwrap_or(i64::MAX);
        [("every".into(), every.into()), ("factor".into(), self.factor.into())].into_iter().collect()
    }
}

impl Curve for Step {
    fn name(&self) -> &'static str {
        "step"
    }

    fn validate(&self) -> Result<(), OptimError> {
        keys::range("step", "every", "at least 1", self.every as f64, self.every >= 1)?;
        let inside = self.factor > 0.0 && self.factor.is_finite();
        keys::range("step", "factor", "positive and finite", self.factor, inside)
    }

    fn rate(&self, base: f64, at: &Moment) -> f64 {
        base * self.factor.powf((at.epoch / self.every.max(1)) as f64)
    }
}

//! Exponential decay.

use super::{Curve, Keys, Moment, Unit, keys};
use crate::error::OptimError;

/// Lets the rate fall by the same part in each unit of time.
///
/// # Formula
///
/// ```text
/// η = α₀ · e^(−rate · t)          t = 0, 1, …, in `unit`s
/// ```
///
/// PyTorch's `ExponentialLR` has `gamma = e^(−rate)`.
///
/// # Examples
///
/// ```
/// use thalweg::schedule::{Curve, Exponential, Moment, Unit};
///
/// let decay = Exponential { rate: 0.5, unit: Unit::Epoch };
/// assert_eq!(decay.rate(2.0, &Moment::new(99, 100, 8)), 2.0);
/// assert!((decay.rate(2.0, &Moment::new(250, 100, 8)) - 0.735_758_882_342_884_6).abs() < 1e-15); // 2/e
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exponential {
    /// k, for each unit of t. Not negative. No default.
    pub rate: f64,
    /// What t counts. Default whole epochs.
    pub unit: Unit,
}

impl Exponential {
    pub(super) const KEYS: &'static [&'static str] = &["rate", "unit"];

    pub(super) fn read(keys: &Keys<'_>) -> Result<Self, OptimError> {
        Ok(Self { rate: keys.number("rate", "how fast the learning rate falls, for example 0.1")?, unit: keys.unit("unit", Unit::Epoch)? })
    }

    pub(super) fn write(&self) -> toml::Table {
        [("rate".into(), self.rate.into()), ("unit".into(), self.unit.name().into())].into_iter().collect()
    }
}

impl Curve for Exponential {
    fn name(&self) -> &'static str {
        "exponential"
    }

    fn validate(&self) -> Result<(), OptimError> {
        let inside = self.rate >= 0.0 && self.rate.is_finite();
        keys::range("exponential", "rate", "at least 0 and finite", self.rate, inside)
    }

    fn rate(&self, base: f64, at: &Moment) -> f64 {
        base * (-self.rate * self.unit.count(at) as f64).exp()
    }
}

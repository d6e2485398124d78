//! 1/t decay.

use super::{Curve, Keys, Moment, Unit, keys};
use crate::error::OptimError;

/// Lets the rate fall as 1/t in the long run.
///
/// # Formula
///
/// ```text
/// η = α₀ / (1 + rate · t)          t = 0, 1, …, in `unit`s
/// ```
///
/// With `unit = "step"` this is the `lr_decay` of PyTorch's Adagrad, which the rule itself has too.
///
/// # Examples
///
/// ```
/// use thalweg::schedule::{Curve, Inverse, Moment, Unit};
///
/// let decay = Inverse { rate: 0.5, unit: Unit::Step };
/// let rates: Vec<f64> = (0..4).map(|step| decay.rate(3.0, &Moment::new(step, 100, 8))).collect();
/// assert_eq!(rates, [3.0, 2.0, 1.5, 1.2]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inverse {
    /// k, for each unit of t. Not negative. No default.
    pub rate: f64,
    /// What t counts. Default whole epochs.
    pub unit: Unit,
}

impl Inverse {
    pub(super) const KEYS: &'static [&'static str] = &["rate", "unit"];

    pub(super) fn read(keys: &Keys<'_>) -> Result<Self, OptimError> {
        Ok(Self { rate: keys.number("rate", "how fast the learning rate falls, for example 0.1")?, unit: keys.unit("unit", Unit::Epoch)? })
    }

    pub(super) fn write(&self) -> toml::Table {
        [("rate".into(), self.rate.into()), ("unit".into(), self.unit.name().into())].into_iter().collect()
    }
}

impl Curve for Inverse {
    fn name(&self) -> &'static str {
        "inverse"
    }

    fn validate(&self) -> Result<(), OptimError> {
        let inside = self.rate >= 0.0 && self.rate.is_finite();
        keys::range("inverse", "rate", "at least 0 and finite", self.rate, inside)
    }

    fn rate(&self, base: f64, at: &Moment) -> f64 {
        base / (1.0 + self.rate * self.unit.count(at) as f64)
    }
}

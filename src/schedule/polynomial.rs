//! Polynomial decay.

use super::keys::{self, written};
use super::{Curve, Keys, Moment, Unit};
use crate::error::OptimError;

/// Lets the rate fall to an end along a power.
///
/// # Formula
///
/// ```text
/// η = end + (α₀ − end) · (1 − min(t, T)/T)^power          t = 0, 1, …, in `unit`s; T = over, or the whole run
/// ```
///
/// PyTorch's `PolynomialLR(total_iters = T, power)` has `end = 0`; Keras' `PolynomialDecay` and Optax's `polynomial_schedule`
/// have it as here. Over the whole run the last t is T − 1, so the end itself is not reached; with a shorter `over` the rate
/// stays at it.
///
/// # Examples
///
/// ```
/// use thalweg::schedule::{Curve, Moment, Polynomial};
///
/// let line = Polynomial { over: Some(4), ..Polynomial::default() };
/// let rates: Vec<f64> = (0..6).map(|epoch| line.rate(1.0, &Moment::new(epoch, 1, 6))).collect();
/// assert_eq!(rates, [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Polynomial {
    /// The power. Positive and finite. Default 1, a straight line (PyTorch's, Keras').
    pub power: f64,
    /// The last rate, a rate and no part of one. At least 0 and finite. Default 0 (PyTorch's; Keras: 1e-4).
    pub end: f64,
    /// Units until the end, at least 1. Default the whole run.
    pub over: Option<u64>,
    /// What t counts. Default whole epochs.
    pub unit: Unit,
}

impl Polynomial {
    pub(super) const KEYS: &'static [&'static str] = &["power", "end", "over", "unit"];

    pub(super) fn read(keys: &Keys<'_>) -> Result<Self, OptimError> {
        let default = Self::default();
        Ok(Self {
            power: keys.number_or("power", default.power)?,
            end: keys.number_or("end", default.end)?,
            over: keys.count_opt("over")?,
            unit: keys.unit("unit", default.unit)?,
        })
    }

    pub(super) fn write(&self) -> toml::Table {
        keys::table([
            ("power", Some(self.power.into())),
            ("end", Some(self.end.into())),
            ("over", self.over.map(written)),
            ("unit", Some(self.unit.name().into())),
        ])
    }
}

impl Default for Polynomial {
    fn default() -> Self {
        Self { power: 1.0, end: 0.0, over: None, unit: Unit::Epoch }
    }
}

impl Curve for Polynomial {
    fn name(&self) -> &'static str {
        "polynomial"
    }

    fn validate(&self) -> Result<(), OptimError> {
        let inside = self.power > 0.0 && self.power.is_finite();
        keys::range("polynomial", "power", "positive and finite", self.power, inside)?;
        let inside = self.end >= 0.0 && self.end.is_finite();
        keys::range("polynomial", "end", "at least 0 and finite", self.end, inside)?;
        keys::at_least_1("polynomial", "over", self.over)
    }

    fn rate(&self, base: f64, at: &Moment) -> f64 {
        let (t, whole) = self.unit.share(self.over, at);
        // The whole numbers are taken from each other first: 1 − t/T would cancel near the end.
        let left = (whole - t) as f64 / whole as f64;
        let left = left.powf(self.power);
        base * left + self.end * (1.0 - left)
    }

    fn reaches_zero(&self) -> bool {
        self.end == 0.0
    }
}

//! No annealing.

use super::{Curve, Keys, Moment};
use crate::error::OptimError;

/// The base rate, always: `η = α₀`.
///
/// # Examples
///
/// ```
/// use thalweg::schedule::{Constant, Curve, Moment};
///
/// assert_eq!(Constant.rate(0.1, &Moment::new(12_345, 100, 200)), 0.1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Constant;

impl Constant {
    pub(super) const KEYS: &'static [&'static str] = &[];

    pub(super) fn read(_: &Keys<'_>) -> Result<Self, OptimError> {
        Ok(Self)
    }

    pub(super) fn write(&self) -> toml::Table {
        toml::Table::new()
    }
}

impl Curve for Constant {
    fn name(&self) -> &'static str {
        "constant"
    }

    fn validate(&self) -> Result<(), OptimError> {
        Ok(())
    }

    fn rate(&self, base: f64, _: &Moment) -> f64 {
        base
    }
}

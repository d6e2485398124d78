//! Momentum over time.

use super::keys::{self, Keys, written};
use super::{Moment, Ramp, Unit};
use crate::error::OptimError;

/// Lets the momentum of the update rule go from one value to another, whatever the learning rate does.
///
/// Written `momentum = { from = 0.5, to = 0.99, over = 10, unit = "epoch", shape = "linear" }` in `[schedule]`. It takes the
/// place of the rule's field `momentum`, or of `beta1` where the rule has no `momentum`; t counts from the run's first step,
/// warm-up or not.
///
/// # Formula
///
/// ```text
/// μ = from + (to − from) · min(t/over, 1)                    linear
/// μ = to + (from − to) · (1 + cos(π·min(t/over, 1)))/2       cos
/// ```
///
/// # Examples
///
/// From 0.5 to 0.99, as CS231n's notes have it:
///
/// ```
/// use thalweg::schedule::{Moment, Schedule};
///
/// let schedule: Schedule = toml::from_str("name = 'constant'\nmomentum = { from = 0.5, to = 0.99, over = 10 }")?;
/// let of = |epoch: u64| schedule.momentum(&Moment::new(100 * epoch, 100, 50));
/// assert_eq!((of(0), of(5), of(10), of(49)), (Some(0.5), Some(0.745), Some(0.99), Some(0.99)));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anneal {
    /// The first value, in `[0, 1)`. No default.
    pub from: f64,
    /// The last one, in `[0, 1)`. No default.
    pub to: f64,
    /// Units until it is reached, at least 1. Default the whole run, which ends one unit before it.
    pub over: Option<u64>,
    /// What t counts. Default whole epochs.
    pub unit: Unit,
    /// The way. Default linear.
    pub shape: Ramp,
}

impl Anneal {
    pub(super) const KEY: &'static str = "momentum";

    /// What stands at the key `momentum`.
    pub(super) fn read(value: &toml::Value) -> Result<Self, OptimError> {
        let toml::Value::Table(table) = value else {
            let expected =
                "a table as { from = 0.5, to = 0.99 }; one value for the whole run is the optimizer's own field";
            return Err(keys::wrong_type("schedule", Self::KEY, expected, value));
        };
        let keys = Keys::within(Self::KEY, table, &["from", "to", "over", "unit", "shape"])?;
        Ok(Self {
            from: keys.number("momentum.from", "the first value, for example 0.5")?,
            to: keys.number("momentum.to", "the last value, for example 0.99")?,
            over: keys.count_opt("momentum.over")?,
            unit: keys.unit("momentum.unit", Unit::Epoch)?,
            shape: keys.ramp("momentum.shape", Ramp::Linear)?,
        })
    }

    pub(super) fn write(&self) -> toml::Table {
        keys::table([
            ("from", Some(self.from.into())),
            ("to", Some(self.to.into())),
            ("over", self.over.map(written)),
            ("unit", Some(self.unit.name().into())),
            ("shape", Some(self.shape.name().into())),
        ])
    }

    pub(super) fn validate(&self) -> Result<(), OptimError> {
        for (field, value) in [("momentum.from", self.from), ("momentum.to", self.to)] {
            keys::range(Self::KEY, field, "in [0, 1)", value, (0.0..1.0).contains(&value))?;
        }
        keys::at_least_1(Self::KEY, "momentum.over", self.over)
    }

    /// The momentum there.
    pub fn value(&self, at: &Moment) -> f64 {
        let (t, whole) = self.unit.share(self.over, at);
        self.shape.between(self.from, self.to, t as f64 / whole as f64)
    }
}

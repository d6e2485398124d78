//! A rising start before any curve.

use super::keys::{self, Keys, written};
use super::{Moment, Ramp, Unit};
use crate::error::OptimError;

/// Lets the rate rise to the base rate before the curve begins.
///
/// Written `warmup = 5` (epochs), or `warmup = { over = 500, unit = "step", start = 0.1 }`.
///
/// # Formula
///
/// ```text
/// η = α₀ · (start + (1 − start) · t/over)          t = 0, 1, …, over − 1, in `unit`s
/// ```
///
/// From t = over on the curve counts as if the run began there, and as if it were so much shorter: a cosine over the whole
/// run ends with the run, a milestone of 30 lies 30 epochs behind the warm-up's end. PyTorch's
/// `SequentialLR([LinearLR(start_factor = start, total_iters = over), curve], milestones = [over])`.
///
/// # Examples
///
/// ```
/// use thalweg::schedule::{Moment, Schedule};
///
/// let schedule: Schedule = toml::from_str("name = 'step'\nevery = 2\nfactor = 0.5\nwarmup = { over = 4, start = 0.0 }")?;
/// let rates: Vec<f64> = (0..10).map(|epoch| schedule.rate(8.0, &Moment::new(100 * epoch, 100, 10))).collect();
/// assert_eq!(rates, [0.0, 2.0, 4.0, 6.0, 8.0, 8.0, 4.0, 4.0, 2.0, 2.0]);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warmup {
    /// Units until the base rate is reached. At least 1. No default. Longer than the run, it is all there is.
    pub over: u64,
    /// What t counts. Default whole epochs.
    pub unit: Unit,
    /// The part of the base rate that it begins with, in `[0, 1]`. Default 1/3, PyTorch's.
    pub start: f64,
}

impl Warmup {
    pub(super) const KEY: &'static str = "warmup";
    const START: f64 = 1.0 / 3.0;

    /// What stands at the key `warmup`.
    pub(super) fn read(value: &toml::Value) -> Result<Self, OptimError> {
        let mut short = toml::Table::new();
        let table = match value {
            toml::Value::Table(table) => table,
            toml::Value::Integer(_) => {
                short.insert("over".into(), value.clone());
                &short
            }
            other => {
                let expected = "a whole number of epochs, or a table as { over = 500, unit = \"step\" }";
                return Err(keys::wrong_type("schedule", Self::KEY, expected, other));
            }
        };
        let keys = Keys::within(Self::KEY, table, &["over", "unit", "start"])?;
        Ok(Self {
            over: keys.count("warmup.over", "how long the rate rises, for example 5")?,
            unit: keys.unit("warmup.unit", Unit::Epoch)?,
            start: keys.number_or("warmup.start", Self::START)?,
        })
    }

    pub(super) fn write(&self) -> toml::Table {
        keys::table([
            ("over", Some(written(self.over))),
            ("unit", Some(self.unit.name().into())),
            ("start", Some(self.start.into())),
        ])
    }

    pub(super) fn validate(&self) -> Result<(), OptimError> {
        keys::at_least_1(Self::KEY, "warmup.over", Some(self.over))?;
        keys::range(Self::KEY, "warmup.start", "in [0, 1]", self.start, (0.0..=1.0).contains(&self.start))
    }

    /// The rate while it rises.
    pub(super) fn rate(&self, base: f64, at: &Moment) -> f64 {
        base * Ramp::Linear.between(self.start, 1.0, self.unit.count(at) as f64 / self.over as f64)
    }

    /// The curve's own moment; `None` while the rate still rises.
    pub(super) fn behind(&self, at: &Moment) -> Option<Moment> {
        at.after(self.over, self.unit)
    }
}

//! One rise and one fall, of the rate and (if asked) of the momentum against it.

use super::keys::{self, written};
use super::{Curve, Keys, Moment, Ramp, Unit};
use crate::error::OptimError;

/// Rises from a part of the base rate to all of it, then falls to next to nothing. PyTorch's `OneCycleLR`, with its names:
/// the base rate is its `max_lr`, `over` its `total_steps`.
///
/// # Formula
///
/// ```text
/// first = α₀/div_factor,  last = first/final_div_factor,  T = over, or the whole run
///
/// two phases     first → α₀  until t = pct_start·T − 1,   α₀ → last  until t = T − 1
/// three_phase    first → α₀  until t = pct_start·T − 1,   α₀ → first  until t = 2·pct_start·T − 2,
///                first → last  until t = T − 1
/// ```
///
/// each → along `anneal_strategy`, t = 0, 1, …, in `unit`s; behind T − 1 the rate stays at `last`. With `cycle_momentum` the
/// momentum goes from `max_momentum` to `base_momentum` while the rate rises, back while it falls to `first` or `last`, and
/// stays there in the third phase; it takes the place of the rule's `momentum`, or else of `beta1`.
///
/// **Source.** Smith and Topin, "Super-Convergence", arXiv 1708.07120, in PyTorch's form (two phases are fastai's, three the
/// paper's).
///
/// # Examples
///
/// ```
/// use thalweg::schedule::{Curve, Moment, OneCycle, Ramp};
///
/// let line = OneCycle { anneal_strategy: Ramp::Linear, div_factor: 4.0, final_div_factor: 2.0, ..OneCycle::default() };
/// let rates: Vec<f64> = (0..10).map(|step| line.rate(8.0, &Moment::new(step, 5, 2))).collect();
/// assert_eq!(rates, [2.0, 5.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneCycle {
    /// The part of T in which the rate rises, in `[0, 1]`. Default 0.3.
    pub pct_start: f64,
    /// The base rate over the first one. Positive and finite. Default 25.
    pub div_factor: f64,
    /// The first rate over the last one. Positive and finite. Default 1e4.
    pub final_div_factor: f64,
    /// The way between them. Default `cos`.
    pub anneal_strategy: Ramp,
    /// Whether the fall stops at the first rate half way. Default false. `pct_start` is at most 1/2 then.
    pub three_phase: bool,
    /// Whether the momentum goes the other way. Default false, where PyTorch's is true: the optimizer's own momentum stays
    /// unless another is asked for.
    pub cycle_momentum: bool,
    /// The momentum at the highest rate, in `[0, 1)`. Default 0.85.
    pub base_momentum: f64,
    /// The momentum at the first and the last rate, in `[0, 1)`. Default 0.95.
    pub max_momentum: f64,
    /// Units of the cycle, at least 1. Default the whole run.
    pub over: Option<u64>,
    /// What t counts. Default steps.
    pub unit: Unit,
}

impl OneCycle {
    pub(super) const KEYS: &'static [&'static str] = &[
        "pct_start",
        "div_factor",
        "final_div_factor",
        "anneal_strategy",
        "three_phase",
        "cycle_momentum",
        "base_momentum",
        "max_momentum",
        "over",
        "unit",
    ];

    pub(super) fn read(keys: &Keys<'_>) -> Result<Self, OptimError> {
        let default = Self::default();
        Ok(Self {
            pct_start: keys.number_or("pct_start", default.pct_start)?,
            div_factor: keys.number_or("div_factor", default.div_factor)?,
            final_div_factor: keys.number_or("final_div_factor", default.final_div_factor)?,
            anneal_strategy: keys.ramp("anneal_strategy", default.anneal_strategy)?,
            three_phase: keys.flag_or("three_phase", default.three_phase)?,
            cycle_momentum: keys.flag_or("cycle_momentum", default.cycle_momentum)?,
            base_momentum: keys.number_or("base_momentum", default.base_momentum)?,
            max_momentum: keys.number_or("max_momentum", default.max_momentum)?,
            over: keys.count_opt("over")?,
            unit: keys.unit("unit", default.unit)?,
        })
    }

    pub(super) fn write(&self) -> toml::Table {
        keys::table([
            ("pct_start", Some(self.pct_start.into())),
            ("div_factor", Some(self.div_factor.into())),
            ("final_div_factor", Some(self.final_div_factor.into())),
            ("anneal_strategy", Some(self.anneal_strategy.name().into())),
            ("three_phase", Some(self.three_phase.into())),
            ("cycle_momentum", Some(self.cycle_momentum.into())),
            ("base_momentum", Some(self.base_momentum.into())),
            ("max_momentum", Some(self.max_momentum.into())),
            ("over", self.over.map(written)),
            ("unit", Some(self.unit.name().into())),
        ])
    }

    /// Where a number stands that goes from `low` to `high`, and on to `low` (three phases) or at once to `last`.
    fn along(&self, at: &Moment, [low, high, last]: [f64; 3]) -> f64 {
        let (t, whole) = self.unit.share(self.over, at);
        let (t, end) = (t as f64, whole as f64 - 1.0);
        let peak = self.pct_start * whole as f64 - 1.0;
        let half = if self.three_phase { 2.0 * peak } else { end };
        let (from, to, begin, until) = if t <= peak {
            (low, high, 0.0, peak)
        } else if self.three_phase && t <= half {
            (high, low, peak, half)
        } else if self.three_phase {
            (low, last, half, end)
        } else {
            (high, last, peak, end)
        };
        // A phase without length is over as it begins.
        let share = if until > begin { ((t - begin) / (until - begin)).min(1.0) } else { 1.0 };
        self.anneal_strategy.between(from, to, share)
    }
}

impl Default for OneCycle {
    fn default() -> Self {
        Self {
            pct_start: 0.3,
            div_factor: 25.0,
            final_div_factor: 1e4,
            anneal_strategy: Ramp::Cos,
            three_phase: false,
            cycle_momentum: false,
            base_momentum: 0.85,
            max_momentum: 0.95,
            over: None,
            unit: Unit::Step,
        }
    }
}

impl Curve for OneCycle {
    fn name(&self) -> &'static str {
        "one_cycle"
    }

    fn validate(&self) -> Result<(), OptimError> {
        let (range, most) = if self.three_phase { ("in [0, 0.5] with three_phase", 0.5) } else { ("in [0, 1]", 1.0) };
        keys::range("one_cycle", "pct_start", range, self.pct_start, (0.0..=most).contains(&self.pct_start))?;
        for (field, x) in [("div_factor", self.div_factor), ("final_div_factor", self.final_div_factor)] {
            keys::range("one_cycle", field, "positive and finite", x, x > 0.0 && x.is_finite())?;
        }
        for (field, x) in [("base_momentum", self.base_momentum), ("max_momentum", self.max_momentum)] {
            keys::range("one_cycle", field, "in [0, 1)", x, (0.0..1.0).contains(&x))?;
        }
        keys::at_least_1("one_cycle", "over", self.over)
    }

    fn rate(&self, base: f64, at: &Moment) -> f64 {
        let first = base / self.div_factor;
        self.along(at, [first, base, first / self.final_div_factor])
    }

    fn momentum(&self, at: &Moment) -> Option<f64> {
        self.cycle_momentum.then(|| self.along(at, [self.max_momentum, self.base_momentum, self.max_momentum]))
    }

    fn momenta(&self) -> Option<[f64; 2]> {
        self.cycle_momentum.then_some([self.max_momentum, self.base_momentum])
    }
}

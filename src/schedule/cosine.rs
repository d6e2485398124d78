//! Cosine annealing, with and without restarts.

use super::keys::{self, written};
use super::{Curve, Keys, Moment, Ramp, Unit};
use crate::error::OptimError;

/// Lets the rate fall along half a cosine: once, or again and again.
///
/// # Formula
///
/// ```text
/// η = minimum + (α₀ − minimum) · (1 + cos(π·c/T))/2
///
/// without `period`   c = min(t, T),  T = over, or the whole run
/// with `period`      T = period, then period·multiplier, period·multiplier², …;  c = t − the Ts that are over
/// ```
///
/// t = 0, 1, …, in `unit`s. PyTorch's `CosineAnnealingLR(T_max, eta_min)` and
/// `CosineAnnealingWarmRestarts(T_0, T_mult, eta_min)`. Where PyTorch's first would rise again behind `T_max`, the rate here
/// stays at the minimum: it never restarts unless `period` says so. Over the whole run the last t is T − 1, just above the
/// minimum.
///
/// **Source.** Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, arXiv 1608.03983.
///
/// # Examples
///
/// ```
/// use thalweg::schedule::{Cosine, Curve, Moment};
///
/// let rates = |curve: Cosine| (0..8).map(|t| curve.rate(1.0, &Moment::new(t, 1, 8))).map(|r| (100.0 * r).round()).collect();
/// let fall: Vec<f64> = rates(Cosine { over: Some(4), ..Cosine::default() });
/// assert_eq!(fall, [100.0, 85.0, 50.0, 15.0, 0.0, 0.0, 0.0, 0.0]);
/// let warm: Vec<f64> = rates(Cosine { period: Some(2), multiplier: 2, ..Cosine::default() });
/// assert_eq!(warm, [100.0, 50.0, 100.0, 85.0, 50.0, 15.0, 100.0, 96.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cosine {
    /// The lowest rate, a rate and no part of one. At least 0 and finite. Default 0.
    pub minimum: f64,
    /// Units of the fall without restarts, at least 1. Default the whole run. Not together with `period`.
    pub over: Option<u64>,
    /// Units until the first restart, at least 1. Default none: no restart.
    pub period: Option<u64>,
    /// How much longer each period is than the one before. At least 1. Default 1; means nothing without `period`.
    pub multiplier: u64,
    /// What t counts. Default whole epochs.
    pub unit: Unit,
}

impl Cosine {
    pub(super) const KEYS: &'static [&'static str] = &["minimum", "over", "period", "multiplier", "unit"];

    pub(super) fn read(keys: &Keys<'_>) -> Result<Self, OptimError> {
        let default = Self::default();
        let period = keys.count_opt("period")?;
        if period.is_none() && keys.get("multiplier").is_some() {
            let (owner, expected) = ("schedule cosine".into(), "where there is a `multiplier`, the first period too");
            return Err(OptimError::Missing { owner, field: "period", expected });
        }
        Ok(Self {
            minimum: keys.number_or("minimum", default.minimum)?,
            over: keys.count_opt("over")?,
            period,
            multiplier: keys.count_opt("multiplier")?.unwrap_or(default.multiplier),
            unit: keys.unit("unit", default.unit)?,
        })
    }

    pub(super) fn write(&self) -> toml::Table {
        keys::table([
            ("minimum", Some(self.minimum.into())),
            ("over", self.over.map(written)),
            ("period", self.period.map(written)),
            ("multiplier", self.period.map(|_| written(self.multiplier))),
            ("unit", Some(self.unit.name().into())),
        ])
    }

    /// c and T.
    fn part(&self, at: &Moment) -> (u64, u64) {
        let Some(first) = self.period else { return self.unit.share(self.over, at) };
        let (mut since, mut period) = (self.unit.count(at), first.max(1));
        if self.multiplier <= 1 {
            return (since % period, period);
        }
        while since >= period {
            since -= period;
            period = period.saturating_mul(self.multiplier);
        }
        (since, period)
    }
}

impl Default for Cosine {
    fn default() -> Self {
        Self { minimum: 0.0, over: None, period: None, multiplier: 1, unit: Unit::Epoch }
    }
}

impl Curve for Cosine {
    fn name(&self) -> &'static str {
        "cosine"
    }

    fn validate(&self) -> Result<(), OptimError> {
        let inside = self.minimum >= 0.0 && self.minimum.is_finite();
        keys::range("cosine", "minimum", "at least 0 and finite", self.minimum, inside)?;
        for (field, count) in [("over", self.over), ("period", self.period), ("multiplier", Some(self.multiplier))] {
            keys::at_least_1("cosine", field, count)?;
        }
        if self.over.is_some() && self.period.is_some() {
            let why = "one is the length of a single fall, the other that of the first of many";
            return Err(OptimError::Clash { owner: "schedule cosine".into(), fields: ["over", "period"], why });
        }
        Ok(())
    }

    fn rate(&self, base: f64, at: &Moment) -> f64 {
        let (since, period) = self.part(at);
        Ramp::Cos.between(base, self.minimum, since as f64 / period as f64)
    }

    fn reaches_zero(&self) -> bool {
        self.minimum == 0.0
    }
}

//! What a comparison of two derivatives means.

use std::fmt;

/// `|a − n| / max(|a|, |n|)`, 0 where both are 0, infinite where either is not finite.
///
/// ```
/// use thalweg::check::relative_error;
/// assert_eq!(relative_error(1.0, 0.5), 0.5);
/// assert_eq!(relative_error(0.0, 0.0), 0.0);
/// assert_eq!(relative_error(f64::NAN, 1.0), f64::INFINITY);
/// ```
pub fn relative_error(analytic: f64, numeric: f64) -> f64 {
    if !(analytic.is_finite() && numeric.is_finite()) {
        f64::INFINITY
    } else if analytic == 0.0 && numeric == 0.0 {
        0.0
    } else {
        (analytic - numeric).abs() / analytic.abs().max(numeric.abs())
    }
}

/// The verdict on one dimension, by its relative error.
///
/// ```text
///         ≤ 1e-7   correct
/// 1e-7 … 1e-4      fine where the graph has kinks, too high where everything is smooth
/// 1e-4 … 1e-2      suspicious
///         > 1e-2   wrong; so is anything not finite
/// ```
///
/// Source: CS231n, *Gradient checks*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Both are exactly 0: a pass, where the relative error would be 0/0.
    BothZero,
    /// At most 1e-7.
    Correct,
    /// 1e-7 … 1e-4 in a graph with kinks.
    Fine,
    /// The difference is smaller than the rounding of f over h, at every step tried: neither pass nor fail.
    BelowResolution,
    /// Between x−h and x+h another branch of a `max` won, at every step tried: neither pass nor fail.
    CrossedKink,
    /// 1e-7 … 1e-4 where everything is smooth: a fail.
    TooHigh,
    /// 1e-4 … 1e-2: a fail.
    Suspicious,
    /// Above 1e-2, or not finite: a fail.
    Wrong,
}

impl Verdict {
    /// The band that two finite values or a NaN fall into.
    ///
    /// ```
    /// use thalweg::check::Verdict;
    /// assert_eq!(Verdict::of(1.0, 1.0 + 1e-9, true), Verdict::Correct);
    /// assert_eq!(Verdict::of(1.0, 1.0 + 1e-5, false), Verdict::Fine);
    /// assert_eq!(Verdict::of(1.0, 1.0 + 1e-5, true), Verdict::TooHigh);
    /// assert_eq!(Verdict::of(1.0, 1.001, true), Verdict::Suspicious);
    /// assert_eq!(Verdict::of(1.0, -1.0, true), Verdict::Wrong);
    /// assert_eq!(Verdict::of(f64::NAN, f64::NAN, true), Verdict::Wrong);
    /// ```
    pub fn of(analytic: f64, numeric: f64, smooth: bool) -> Self {
        let error = relative_error(analytic, numeric);
        if analytic == 0.0 && numeric == 0.0 {
            Self::BothZero
        } else if error <= 1e-7 {
            Self::Correct
        } else if error <= 1e-4 {
            if smooth { Self::TooHigh } else { Self::Fine }
        } else if error <= 1e-2 {
            Self::Suspicious
        } else {
            Self::Wrong
        }
    }

    /// Whether the two agree.
    pub fn passes(self) -> bool {
        matches!(self, Self::BothZero | Self::Correct | Self::Fine)
    }

    /// Whether they differ by more than kinks and rounding explain.
    pub fn fails(self) -> bool {
        matches!(self, Self::TooHigh | Self::Suspicious | Self::Wrong)
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::BothZero => "both zero",
            Self::Correct => "correct",
            Self::Fine => "fine, with kinks",
            Self::BelowResolution => "below resolution",
            Self::CrossedKink => "crossed a kink",
            Self::TooHigh => "too high: all is smooth",
            Self::Suspicious => "suspicious",
            Self::Wrong => "WRONG",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One dimension checked.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Dimension {
    /// Its place in the tensor, an index for each axis.
    pub index: Vec<usize>,
    /// The centred difference.
    pub numeric: f64,
    /// The derivative.
    pub analytic: f64,
    /// [`relative_error`] of the two.
    pub error: f64,
    /// The step at which they were compared.
    pub step: f64,
    /// What follows.
    pub verdict: Verdict,
}

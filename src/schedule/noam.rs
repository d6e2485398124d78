//! The schedule of the first Transformer.

use super::keys::{self, written};
use super::{Curve, Keys, Moment};
use crate::error::OptimError;

/// Rises in a straight line for `warmup_steps` steps, then falls as 1/√s.
///
/// # Formula
///
/// ```text
/// η = α₀ · model_size^(−1/2) · min(s^(−1/2), s · warmup_steps^(−3/2))          s = 1, 2, … counts steps
/// ```
///
/// The paper's rate is that of α₀ = 1, so write `learning_rate = 1.0` beside it. Its peak, at s = `warmup_steps`, is
/// `α₀/√(model_size · warmup_steps)`: 7e-4 with the paper's 512 and 4000.
///
/// **Source.** Vaswani et al., "Attention Is All You Need", NIPS 2017, arXiv 1706.03762, section 5.3.
///
/// # Examples
///
/// ```
/// use thalweg::schedule::{Curve, Moment, Noam};
///
/// let paper = Noam { model_size: 512, warmup_steps: 4000 };
/// let rate = |step: u64| paper.rate(1.0, &Moment::new(step - 1, 1000, 100));
/// assert!((rate(4000) / 6.987_712_429_686_843e-4 - 1.0).abs() < 1e-14); // 1/√(512·4000)
/// assert!((rate(16_000) / rate(4000) - 0.5).abs() < 1e-14);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noam {
    /// The width of the model, the paper's d_model. At least 1. No default.
    pub model_size: u64,
    /// Steps until the peak. At least 1. Default 4000, the paper's.
    pub warmup_steps: u64,
}

impl Noam {
    pub(super) const KEYS: &'static [&'static str] = &["model_size", "warmup_steps"];

    pub(super) fn read(keys: &Keys<'_>) -> Result<Self, OptimError> {
        let model_size = keys.count("model_size", "the width of the model, for example 512")?;
        Ok(Self { model_size, warmup_steps: keys.count_opt("warmup_steps")?.unwrap_or(4000) })
    }

    pub(super) fn write(&self) -> toml::Table {
        keys::table([
            ("model_size", Some(written(self.model_size))),
            ("warmup_steps", Some(written(self.warmup_steps))),
        ])
    }
}

impl Curve for Noam {
    fn name(&self) -> &'static str {
        "noam"
    }

    fn validate(&self) -> Result<(), OptimError> {
        keys::at_least_1("noam", "model_size", Some(self.model_size))?;
        keys::at_least_1("noam", "warmup_steps", Some(self.warmup_steps))
    }

    fn rate(&self, base: f64, at: &Moment) -> f64 {
        let (s, warmup) = (at.step as f64 + 1.0, self.warmup_steps as f64);
        base / (self.model_size as f64).sqrt() * (1.0 / s.sqrt()).min(s / (warmup * warmup.sqrt()))
    }
}

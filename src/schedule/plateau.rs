//! Step decay where learning stands still.

use super::keys::{self, written};
use super::{Curve, Keys, Moment};
use crate::error::OptimError;

/// Cuts the rate when the validation loss has not become better for some epochs. PyTorch's `ReduceLROnPlateau` in mode
/// `min`, asked once after each epoch.
///
/// # Formula
///
/// ```text
/// η = max(α₀ · factor^cuts, minimum)          α₀ itself where it is below the minimum
/// ```
///
/// The only schedule whose course is not known before the run. What it remembers is a [`Watch`], plain data that
/// [`after`](Self::after) makes of the one before and the epoch's loss; a checkpoint keeps it. After a `warmup`, epochs that
/// end within that are not looked at.
///
/// # Examples
///
/// ```
/// use thalweg::schedule::{Plateau, Watch};
///
/// let halve = Plateau { factor: 0.5, patience: 1, ..Plateau::default() };
/// let mut watch = Watch::default();
/// let mut cuts = Vec::new();
/// for loss in [1.0, 0.5, 0.6, 0.5, 0.4, 0.4, 0.4] {
///     watch = halve.after(0.1, watch, loss);
///     cuts.push(watch.cuts);
/// }
/// // Two epochs no better than 0.5, then two no better than 0.4.
/// assert_eq!(cuts, [0, 0, 0, 1, 1, 1, 2]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plateau {
    /// What remains after a cut, in `(0, 1)`. Default 0.1.
    pub factor: f64,
    /// Epochs without a better loss that are borne; the next one cuts. Default 10.
    pub patience: u64,
    /// How much better a loss must be to count, at least 0 and finite. Default 1e-4.
    pub threshold: f64,
    /// Whether `threshold` is a part of the best loss or a loss. Default a part.
    pub threshold_mode: Threshold,
    /// Epochs after a cut in which none is counted. Default 0.
    pub cooldown: u64,
    /// The lowest rate, at least 0 and finite. Default 0.
    pub minimum: f64,
    /// A cut by no more than this is not made, at least 0 and finite. Default 1e-8 (PyTorch's `eps`).
    pub epsilon: f64,
}

/// What a plateau's threshold is. Written `"rel"` or `"abs"`, as in PyTorch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Threshold {
    /// Better is below `best · (1 − threshold)`.
    #[default]
    Rel,
    /// Better is below `best − threshold`.
    Abs,
}

impl Threshold {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rel => "rel",
            Self::Abs => "abs",
        }
    }
}

/// What a [`Plateau`] has seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watch {
    /// The best loss; infinite before the first.
    pub best: f64,
    /// Epochs since without a better one.
    pub waited: u64,
    /// Epochs of the cooldown that are left.
    pub cooling: u64,
    /// Cuts made.
    pub cuts: u32,
}

impl Default for Watch {
    /// Before the first epoch's end.
    fn default() -> Self {
        Self { best: f64::INFINITY, waited: 0, cooling: 0, cuts: 0 }
    }
}

impl Plateau {
    pub(super) const KEYS: &'static [&'static str] =
        &["factor", "patience", "threshold", "threshold_mode", "cooldown", "minimum", "epsilon"];

    pub(super) fn read(keys: &Keys<'_>) -> Result<Self, OptimError> {
        let default = Self::default();
        let modes = [Threshold::Rel, Threshold::Abs].map(|mode| (mode.name(), mode));
        Ok(Self {
            factor: keys.number_or("factor", default.factor)?,
            patience: keys.count_or("patience", default.patience)?,
            threshold: keys.number_or("threshold", default.threshold)?,
            threshold_mode: keys.one_of("threshold_mode", &modes, "\"rel\" or \"abs\"")?,
            cooldown: keys.count_or("cooldown", default.cooldown)?,
            minimum: keys.number_or("minimum", default.minimum)?,
            epsilon: keys.number_or("epsilon", default.epsilon)?,
        })
    }

    pub(super) fn write(&self) -> toml::Table {
        keys::table([
            ("factor", Some(self.factor.into())),
            ("patience", Some(written(self.patience))),
            ("threshold", Some(self.threshold.into())),
            ("threshold_mode", Some(self.threshold_mode.name().into())),
            ("cooldown", Some(written(self.cooldown))),
            ("minimum", Some(self.minimum.into())),
            ("epsilon", Some(self.epsilon.into())),
        ])
    }

    /// What it has seen after one more epoch, which ended with this validation loss; `base` is the optimizer's rate.
    pub fn after(&self, base: f64, before: Watch, loss: f64) -> Watch {
        let mut watch = before;
        let bound = match self.threshold_mode {
            Threshold::Rel => watch.best * (1.0 - self.threshold),
            Threshold::Abs => watch.best - self.threshold,
        };
        if loss < bound {
            (watch.best, watch.waited) = (loss, 0);
        } else {
            watch.waited += 1;
        }
        if watch.cooling > 0 {
            (watch.cooling, watch.waited) = (watch.cooling - 1, 0);
        }
        if watch.waited > self.patience {
            let [now, next] = [watch.cuts, watch.cuts.saturating_add(1)].map(|cuts| self.cut(base, cuts));
            if now - next > self.epsilon {
                watch.cuts += 1;
            }
            (watch.cooling, watch.waited) = (self.cooldown, 0);
        }
        watch
    }

    fn cut(&self, base: f64, cuts: u32) -> f64 {
        (base * self.factor.powf(f64::from(cuts))).max(self.minimum).min(base)
    }
}

impl Default for Plateau {
    fn default() -> Self {
        Self {
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            threshold_mode: Threshold::Rel,
            cooldown: 0,
            minimum: 0.0,
            epsilon: 1e-8,
        }
    }
}

impl Curve for Plateau {
    fn name(&self) -> &'static str {
        "plateau"
    }

    fn validate(&self) -> Result<(), OptimError> {
        let inside = self.factor > 0.0 && self.factor < 1.0;
        keys::range("plateau", "factor", "in (0, 1)", self.factor, inside)?;
        for (field, x) in [("threshold", self.threshold), ("minimum", self.minimum), ("epsilon", self.epsilon)] {
            keys::range("plateau", field, "at least 0 and finite", x, x >= 0.0 && x.is_finite())?;
        }
        Ok(())
    }

    fn rate(&self, base: f64, at: &Moment) -> f64 {
        self.cut(base, at.cuts)
    }
}

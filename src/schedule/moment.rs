//! Where a run stands, in the two units that schedules count in.

/// What a schedule's t counts, from 0. Written `"epoch"` or `"step"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Whole epochs: the rate is constant within one.
    #[default]
    Epoch,
    /// Updates.
    Step,
}

impl Unit {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::Step => "step",
        }
    }

    /// t, from 0.
    pub const fn count(self, at: &Moment) -> u64 {
        match self {
            Self::Epoch => at.epoch,
            Self::Step => at.step,
        }
    }

    /// How many of them the run has: at least 1. t ends one below it.
    pub const fn whole(self, at: &Moment) -> u64 {
        let whole = match self {
            Self::Epoch => at.epochs,
            Self::Step => at.steps,
        };
        if whole == 0 { 1 } else { whole }
    }

    /// t of a span, from 0 to its length, where it stays; and that length, `over` or the whole run.
    pub(super) fn share(self, over: Option<u64>, at: &Moment) -> (u64, u64) {
        let whole = over.unwrap_or(self.whole(at)).max(1);
        (self.count(at).min(whole), whole)
    }
}

/// Where a run stands before an update.
///
/// # Examples
///
/// ```
/// use thalweg::schedule::Moment;
///
/// let at = Moment::new(250, 100, 8);
/// assert_eq!((at.step, at.epoch, at.steps, at.epochs), (250, 2, 800, 8));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Updates made before this one: 0, 1, ….
    pub step: u64,
    /// Whole epochs behind it: 0, 1, ….
    pub epoch: u64,
    /// Updates of the whole run.
    pub steps: u64,
    /// Epochs of the whole run.
    pub epochs: u64,
    /// How often a [`Plateau`](super::Plateau) has cut the rate so far.
    pub cuts: u32,
}

impl Moment {
    /// Before update `step`, counted from 0, of a run of `epochs` epochs of `steps_per_epoch` updates.
    pub fn new(step: u64, steps_per_epoch: u64, epochs: u64) -> Self {
        let one = steps_per_epoch.max(1);
        Self { step, epoch: step / one, steps: one.saturating_mul(epochs), epochs, cuts: 0 }
    }

    /// The same moment, of a run that begins where the first `count` units of this one end; `None` before that.
    pub(super) fn after(&self, count: u64, unit: Unit) -> Option<Self> {
        if unit.count(self) < count {
            return None;
        }
        let one = (self.steps / self.epochs.max(1)).max(1);
        let gone = match unit {
            Unit::Epoch => count.saturating_mul(one),
            Unit::Step => count,
        };
        let (step, steps) = (self.step.saturating_sub(gone), self.steps.saturating_sub(gone));
        let (epoch, epochs) = match unit {
            Unit::Epoch => (self.epoch - count, self.epochs.saturating_sub(count)),
            Unit::Step => (step / one, steps.div_ceil(one)),
        };
        Some(Self { step, epoch, steps, epochs, cuts: self.cuts })
    }
}

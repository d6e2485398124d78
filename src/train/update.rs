//! What an update does beside its rule.

use crate::device::Update;
use crate::error::{OptimError, TrainError};
use crate::optim::{Clip, Storage};

/// What an update does beside its rule: `[optimizer.clip]`, `optimizer.state`, and `accumulate`, `average` and `telemetry` of
/// `[train]`.
///
/// # Examples
///
/// Gradients of 4 minibatches of 16 rows make one update, as one of 64 would, cut to a norm of 1:
///
/// ```
/// use thalweg::optim::Clip;
/// use thalweg::train::{Recipe, UpdateOptions};
///
/// let clip = Some(Clip::Norm { maximum: 1.0, epsilon: 1e-6 });
/// let update = UpdateOptions { clip, accumulate: 4, ..UpdateOptions::default() };
/// let recipe = Recipe { batch_size: 16, update, ..Recipe::default() };
/// assert_eq!(recipe.update.updates(23), 6); // an epoch of 23 minibatches: the last update has 3
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpdateOptions {
    /// How the rule's states are held; default f32. On the cpu device the numbers are those of the type, the memory is not.
    pub storage: Storage,
    /// How gradients are cut; default not at all. Accumulated gradients are cut once, before their update.
    pub clip: Option<Clip>,
    /// Minibatches to an update, at least 1; default 1. Their gradients' mean by rows is the gradient of one large minibatch
    /// (dropout and batch norm see each of them on its own). The last update of an epoch has those that are left.
    pub accumulate: usize,
    /// The decay of a running average of the parameters, in `[0, 1)`; default: none is kept. It begins as what the first update
    /// makes, as PyTorch's `AveragedModel` with `get_ema_multi_avg_fn` does, and is judged on the validation data beside the
    /// parameters.
    pub average: Option<f64>,
    /// Updates between two lines of telemetry, the first update's among them; 0, the default, for none.
    pub telemetry: u64,
}

impl Default for UpdateOptions {
    fn default() -> Self {
        Self { storage: Storage::F32, clip: None, accumulate: 1, average: None, telemetry: 0 }
    }
}

impl UpdateOptions {
    /// Updates of an epoch of that many minibatches.
    pub fn updates(&self, minibatches: usize) -> usize {
        minibatches.div_ceil(self.accumulate.max(1))
    }

    pub(super) fn check(&self) -> Result<(), crate::Error> {
        if self.accumulate == 0 {
            return Err(TrainError::Zero { field: "accumulate" }.into());
        }
        if let Some(clip) = self.clip {
            clip.validate()?;
        }
        match self.average {
            // 1 − decay is what the device is given.
            Some(found) if !((0.0..1.0).contains(&found) && (1.0 - found) as f32 > 0.0) => {
                let (owner, range) = ("train".into(), "in [0, 1)");
                Err(OptimError::Range { owner, field: "average", range, found }.into())
            }
            _ => Ok(()),
        }
    }

    /// What the average takes of the parameters that update `n`, from 0, has made.
    pub(super) fn share(&self, n: u64) -> f64 {
        self.average.filter(|_| n > 0).map_or(1.0, |decay| 1.0 - decay)
    }

    /// Whether update `n`, from 0, leaves telemetry.
    pub(super) fn tells(&self, n: u64) -> bool {
        self.telemetry > 0 && n.is_multiple_of(self.telemetry)
    }

    pub(super) fn of_engine(&self) -> Update {
        Update {
            storage: self.storage,
            clip: self.clip,
            average: self.average.is_some(),
            accumulate: self.accumulate > 1,
            telemetry: self.telemetry > 0,
            bare: Vec::new(),
            transform: None,
        }
    }
}

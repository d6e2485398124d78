//! How a model is trained: all that a run is but for model, data and device.

use std::sync::Arc;

use crate::data::Dataset;
use crate::device::Precision;
use crate::error::{OptimError, TrainError};
use crate::nn::{Augment, Objective};
use crate::optim::{DynRule, Optimizer};
use crate::schedule::Schedule;
use crate::shape::Shape;

/// How a model is trained.
///
/// ```
/// use thalweg::optim::Momentum;
/// use thalweg::train::Recipe;
///
/// let recipe = Recipe { optimizer: Momentum { learning_rate: 0.1, ..Momentum::default() }.into(), ..Recipe::default() };
/// assert_eq!((recipe.optimizer.name(), recipe.batch_size), ("momentum", 64));
/// ```
#[derive(Clone, Debug)]
pub struct Recipe {
    /// What is made small.
    pub objective: Objective,
    /// The update rule: one of the library's (`.into()`) or one of your own (`Arc::new`); default Adam as PyTorch has it.
    pub optimizer: Arc<dyn DynRule>,
    /// The learning rate's course; default constant.
    pub schedule: Schedule,
    /// Passes over the data, at least 1; default 20.
    pub epochs: u32,
    /// Rows a step, at least 1 and at most the training rows; default 64. A last short minibatch is trained on too.
    pub batch_size: usize,
    /// Of initial weights, order of rows, dropout and changes of images; default 1.
    pub seed: u64,
    /// Whether each epoch has an order of its own; default true.
    pub shuffle: bool,
    /// Whether the rows of an epoch that fill no minibatch are left out of it (others in each epoch, with `shuffle`); default
    /// false: they are trained on as a short one.
    pub drop_last: bool,
    /// The shape the model takes an example in; default `None`: the data's.
    pub input: Option<Shape>,
    /// How the images of a minibatch are changed at random; default: not at all. The model must take `[C, H, W]`.
    pub augment: Augment,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            objective: Objective::default(),
            optimizer: Optimizer::default().into(),
            schedule: Schedule::default(),
            epochs: 20,
            batch_size: 64,
            seed: 1,
            shuffle: true,
            drop_last: false,
            input: None,
            augment: Augment::default(),
        }
    }
}

impl Recipe {
    /// The shape the model takes an example in: its own, if it is as large as the data's.
    ///
    /// # Errors
    ///
    /// [`TrainError::Input`] where it is not.
    pub fn example(&self, data: &Dataset) -> Result<Shape, TrainError> {
        match &self.input {
            None => Ok(data.shape().clone()),
            Some(input) if input.elements() == data.shape().elements() => Ok(input.clone()),
            Some(input) => Err(TrainError::Input { input: input.clone(), data: data.shape().clone() }),
        }
    }

    /// Refuses numbers that floats of `precision` do not hold: the rule's, and the rate at both ends of a run of `steps`
    /// steps an epoch, between which each schedule only rises or only falls.
    pub(super) fn check(&self, precision: Precision, steps: usize) -> Result<(), OptimError> {
        match precision {
            Precision::F32 => self.optimizer.validate_f32()?,
            Precision::F64 => self.optimizer.validate()?,
        }
        self.schedule.validate()?;
        let last = u64::from(self.epochs.max(1)) * steps.max(1) as u64 - 1;
        self.rate(precision, 0, 0)?;
        self.rate(precision, last, u64::from(self.epochs.max(1)) - 1).map(|_| ())
    }

    /// The learning rate of step `step` in epoch `epoch`, both from 0.
    pub(super) fn rate(&self, precision: Precision, step: u64, epoch: u64) -> Result<f64, OptimError> {
        let rate = self.schedule.rate(self.optimizer.learning_rate(), step, epoch);
        if precision.holds_positive(rate) {
            return Ok(rate);
        }
        let (schedule, floats) = (self.schedule.curve().name(), precision.name());
        Err(OptimError::Rate { schedule, step: step + 1, epoch: epoch + 1, rate, floats })
    }
}

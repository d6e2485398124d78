//! How a model is trained: all that a run is but for model, data and device.

use std::sync::Arc;

use crate::data::Dataset;
use crate::device::Precision;
use crate::error::{OptimError, TrainError};
use crate::nn::{Augment, Objective};
use crate::optim::{DynRule, Optimizer};
use crate::schedule::{Moment, Schedule};
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
    /// The course of the learning rate, and of the momentum if it has one; default constant.
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

    /// Steps of an epoch over `rows` rows.
    pub fn steps_per_epoch(&self, rows: usize) -> usize {
        let batch = self.batch_size.max(1);
        if self.drop_last { rows / batch } else { crate::data::steps(rows, batch) }
    }

    /// Refuses numbers that floats of `precision` do not hold, in a run of `steps` steps an epoch: the rule's, the rate's and
    /// the momentum's. A trainer begins with it.
    ///
    /// # Errors
    ///
    /// [`OptimError`]: a field out of its range, a rate that is no positive normal number and no 0 that the schedule leads to,
    /// a momentum that the rule does not have.
    pub fn check(&self, precision: Precision, steps: usize) -> Result<(), OptimError> {
        match precision {
            Precision::F32 => self.optimizer.validate_f32()?,
            Precision::F64 => self.optimizer.validate()?,
        }
        self.schedule.validate()?;
        for momentum in self.schedule.momenta().into_iter().flatten() {
            self.with_momentum(precision, momentum)?;
        }
        let (steps, epochs) = (steps.max(1) as u64, u64::from(self.epochs.max(1)));
        let last = (steps * epochs) - 1;
        // Each step of most runs. Of longer ones so many, and each sent step is looked at again.
        let stride = last / LOOKED_AT + 1;
        for step in (0..last).step_by(usize::try_from(stride).unwrap_or(usize::MAX)).chain([last]) {
            self.rate(precision, &Moment::new(step, steps, epochs))?;
        }
        Ok(())
    }

    /// The learning rate of the update at that moment.
    pub(super) fn rate(&self, precision: Precision, at: &Moment) -> Result<f64, OptimError> {
        let rate = self.schedule.rate(self.optimizer.learning_rate(), at);
        // What a curve that leads to 0 passes just above it may be flushed to 0.
        let vanishes = self.schedule.reaches_zero() && (0.0..=f64::from(f32::MIN_POSITIVE)).contains(&rate);
        if vanishes || precision.holds_positive(rate) {
            return Ok(rate);
        }
        let (schedule, floats) = (self.schedule.curve().name(), precision.name());
        Err(OptimError::Rate { schedule, step: at.step + 1, epoch: at.epoch + 1, rate, floats })
    }

    /// The rule of the update at that moment: the optimizer, with the momentum that the schedule sets.
    pub(super) fn rule(&self, precision: Precision, at: &Moment) -> Result<Arc<dyn DynRule>, OptimError> {
        match self.schedule.momentum(at) {
            None => Ok(self.optimizer.clone()),
            Some(momentum) => self.with_momentum(precision, momentum),
        }
    }

    /// The optimizer with another `momentum`, or else `beta1`.
    fn with_momentum(&self, precision: Precision, momentum: f64) -> Result<Arc<dyn DynRule>, OptimError> {
        let refused = |why| OptimError::Momentum {
            schedule: self.schedule.curve().name(),
            owner: format!("{} in the {} convention", self.optimizer.name(), self.optimizer.convention()),
            why,
        };
        let absent = |error: &OptimError| matches!(error, OptimError::Field { .. });
        let rule = match self.optimizer.with("momentum", momentum) {
            Err(error) if absent(&error) => self.optimizer.with("beta1", momentum),
            other => other,
        };
        let rule = rule.map_err(|error| match absent(&error) {
            true => refused(
                "has neither `momentum` nor `beta1`. Take a rule that has one, or leave the schedule's momentum out",
            ),
            false => error,
        })?;
        if (rule.states(), rule.source()) != (self.optimizer.states(), self.optimizer.source()) {
            return Err(refused(
                "is another rule with a momentum of 0 than with one above. Let the optimizer's own and the schedule's \
                 all be above 0",
            ));
        }
        match precision {
            Precision::F32 => rule.validate_f32()?,
            Precision::F64 => rule.validate()?,
        }
        Ok(rule)
    }
}

/// Steps whose rates are looked at before a run, besides the last.
const LOOKED_AT: u64 = 1 << 16;

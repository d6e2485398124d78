//! How a model is trained: all that a run is but for model, data and device.

use std::sync::Arc;

use super::group::Group;
use super::member::Member;
use super::rules::Rules;
use super::update::UpdateOptions;
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
    /// What an update does beside its rule: clipping, accumulation, a running average, half states, telemetry; default none.
    pub update: UpdateOptions,
    /// The shape the model takes an example in; default `None`: the data's.
    pub input: Option<Shape>,
    /// How the images of a minibatch are changed at random; default: not at all. The model must take `[C, H, W]`.
    pub augment: Augment,
    /// Of the order of the rows alone; default `None`: `seed`. The members of a population take the same rows, so one that is
    /// to be trained again on its own needs its own `seed` and the population's order.
    pub shuffle_seed: Option<u64>,
    /// Tensors by name with numbers of their own; default: none. The first group that matches a tensor has it.
    pub groups: Vec<Group>,
    /// Models that are trained together, in one run with one set of launches, each with the bits that it would have alone;
    /// default: none, a run of one model.
    pub members: Vec<Member>,
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
            update: UpdateOptions::default(),
            input: None,
            augment: Augment::default(),
            shuffle_seed: None,
            groups: Vec::new(),
            members: Vec::new(),
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

    /// How many models are trained together, at least 1.
    pub fn population(&self) -> usize {
        self.members.len().max(1)
    }

    /// The seed of a member; the run's where it has none of its own, or there is no such member.
    pub fn seed_of(&self, member: usize) -> u64 {
        self.members.get(member).and_then(|m| m.seed).unwrap_or(self.seed)
    }

    /// The penalty's factor λ of a member; the objective's where it has none of its own.
    pub fn l2_of(&self, member: usize) -> f64 {
        self.members.get(member).and_then(|m| m.l2).unwrap_or(self.objective.l2)
    }

    /// The recipe that trains a member alone, with the bits it has in the population.
    ///
    /// ```
    /// use thalweg::train::{Member, Recipe};
    /// let members = [3, 4].map(|seed| Member { seed: Some(seed), ..Member::default() });
    /// let alone = Recipe { seed: 9, members: members.into(), ..Recipe::default() }.alone(1);
    /// assert_eq!((alone.population(), alone.seed_of(0), alone.shuffle_seed), (1, 4, Some(9)));
    /// ```
    pub fn alone(&self, member: usize) -> Self {
        let members = self.members.get(member).cloned().into_iter().collect();
        Self { members, shuffle_seed: Some(self.shuffle_seed.unwrap_or(self.seed)), ..self.clone() }
    }

    /// What all members make small: with a penalty, whose factor each has for itself, if any has one.
    pub(super) fn shared_objective(&self) -> Objective {
        if self.members.is_empty() {
            return self.objective;
        }
        let l2 = (0..self.population()).map(|m| self.l2_of(m)).fold(0.0, f64::max);
        Objective { l2, ..self.objective }
    }

    /// Steps of an epoch over `rows` rows: minibatches, of which [`UpdateOptions::accumulate`] make an update.
    pub fn steps_per_epoch(&self, rows: usize) -> usize {
        let batch = self.batch_size.max(1);
        if self.drop_last { rows / batch } else { crate::data::steps(rows, batch) }
    }

    /// Updates of an epoch over `rows` rows: what schedules count as steps.
    pub fn updates_per_epoch(&self, rows: usize) -> usize {
        // A second-order optimizer takes one step over all rows.
        if self.optimizer.second_order().is_some() { 1 } else { self.update.updates(self.steps_per_epoch(rows)) }
    }

    /// Refuses numbers that floats of `precision` do not hold, in a run of `updates` updates an epoch: the rules', the rates' and
    /// the momenta's, of each member and parameter group. A trainer begins with it.
    ///
    /// # Errors
    ///
    /// [`OptimError`]: a field out of its range, a rate that is no positive normal number and no 0 that the schedule leads to,
    /// a momentum that the rule does not have. [`PopulationError`](crate::error::PopulationError): members or groups whose rules
    /// have other states.
    pub fn check(&self, precision: Precision, updates: usize) -> crate::Result<()> {
        self.update.check()?;
        Ok(Rules::new(self)?.check(self, precision, updates)?)
    }

    /// The learning rate of the update at that moment, from a base rate, times a group's factor.
    pub(super) fn rate(&self, precision: Precision, base: f64, factor: f64, at: &Moment) -> Result<f64, OptimError> {
        let rate = self.schedule.rate(base, at) * factor;
        // What a curve that leads to 0 passes just above it may be flushed to 0.
        let vanishes = self.schedule.reaches_zero() && (0.0..=f64::from(f32::MIN_POSITIVE)).contains(&rate);
        if vanishes || precision.holds_positive(rate) {
            return Ok(rate);
        }
        let (schedule, floats) = (self.schedule.curve().name(), precision.name());
        Err(OptimError::Rate { schedule, step: at.step + 1, epoch: at.epoch + 1, rate, floats })
    }
}

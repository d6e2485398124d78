//! The rates and momenta of a run's steps, before it runs.

use serde_json::{Value, json};
use thalweg::Recipe;
use thalweg::schedule::{Moment, Schedule};

use super::short;

/// Steps that a plot looks at: of longer runs so many, evenly spread, and the last.
const LOOKED_AT: u64 = 1 << 13;

pub(super) struct Course {
    schedule: Schedule,
    optimizer: &'static str,
    base: f64,
    steps_per_epoch: u64,
    epochs: u64,
}

impl Course {
    pub(super) fn new(recipe: &Recipe, steps_per_epoch: usize) -> Self {
        Self {
            schedule: recipe.schedule.clone(),
            optimizer: recipe.optimizer.name(),
            base: recipe.optimizer.learning_rate(),
            steps_per_epoch: steps_per_epoch.max(1) as u64,
            epochs: u64::from(recipe.epochs.max(1)),
        }
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps_per_epoch * self.epochs
    }

    pub(super) fn steps_per_epoch(&self) -> u64 {
        self.steps_per_epoch
    }

    pub(super) fn epochs(&self) -> f64 {
        self.epochs as f64
    }

    /// Rate and momentum of a step, counted from 0.
    pub(super) fn at(&self, step: u64) -> (f64, Option<f64>) {
        let at = Moment::new(step, self.steps_per_epoch, self.epochs);
        (self.schedule.rate(self.base, &at), self.schedule.momentum(&at))
    }

    fn points(&self, of: impl Fn(u64) -> Option<f64>) -> Option<Vec<(f64, f64)>> {
        let last = self.steps() - 1;
        let stride = usize::try_from(last / LOOKED_AT + 1).unwrap_or(usize::MAX);
        let epoch = |step: u64| step as f64 / self.steps_per_epoch as f64;
        (0..last).step_by(stride).chain([last]).map(|step| Some((epoch(step), of(step)?))).collect()
    }

    pub(super) fn rates(&self) -> Vec<(f64, f64)> {
        self.points(|step| Some(self.at(step).0)).unwrap_or_default()
    }

    pub(super) fn momenta(&self) -> Option<Vec<(f64, f64)>> {
        self.points(|step| self.at(step).1)
    }

    pub(super) fn title(&self) -> String {
        let warm = self.schedule.warmup.map_or_else(String::new, |warmup| {
            let plural = if warmup.over == 1 { "" } else { "s" };
            format!(" after a warm-up over {} {}{plural}", warmup.over, warmup.unit.name())
        });
        format!("{} with {}{warm}", self.schedule.curve().name(), self.optimizer)
    }

    /// First, highest and last rate, and how long the run is.
    pub(super) fn summary(&self) -> String {
        let rates = self.rates();
        let highest = rates.iter().fold((0.0, f64::NEG_INFINITY), |top, &at| if at.1 > top.1 { at } else { top });
        format!(
            "{} epochs of {} steps\nlearning rate: first {}, highest {} in epoch {}, last {}",
            self.epochs,
            self.steps_per_epoch,
            short(self.at(0).0),
            short(highest.1),
            highest.0.floor() + 1.0,
            short(self.at(self.steps() - 1).0),
        )
    }

    /// What cannot be known before the run.
    pub(super) fn unknown(&self) -> Option<String> {
        let plateau = self.schedule.plateau()?;
        Some(format!(
            "when a plateau cuts the rate depends on the validation losses, which are not known before the run. This is the \
             rate without a cut; each one leaves {} of it",
            short(plateau.factor)
        ))
    }

    pub(super) fn described(&self) -> Value {
        json!({
            "schedule": Value::from_iter(self.schedule.to_table().into_iter().map(|(key, value)| (key, json!(value)))),
            "optimizer": self.optimizer, "learning_rate": self.base, "steps_per_epoch": self.steps_per_epoch,
            "epochs": self.epochs, "steps": self.steps(), "unknown": self.unknown(),
        })
    }
}

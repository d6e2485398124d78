//! What a run says while it trains.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::optim::second::Report;

/// One step, as it was before its update.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StepEvent {
    /// The member of the population, from 0; `None` in a run of one model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<usize>,
    /// Counted from 1 over the whole run.
    pub step: u64,
    /// Passes over the data after this step, with their fraction.
    pub epoch: f64,
    /// The minibatch's loss, penalty included.
    pub loss: f64,
    /// The minibatch's loss on the data alone.
    pub data_loss: f64,
    /// The rate of this step's update.
    pub learning_rate: f64,
    /// Share of the minibatch classified right; `None` for losses over numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Rows of the minibatch.
    #[serde(skip)]
    pub rows: usize,
}

/// One epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EpochEvent {
    /// The member of the population, from 0; `None` in a run of one model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<usize>,
    /// Counted from 1.
    pub epoch: u32,
    /// Steps since the run began.
    pub steps: u64,
    /// Mean over the epoch's rows of the loss on the data, each minibatch before its update.
    pub train_loss: f64,
    /// Share classified right, likewise; `None` for losses over numbers.
    pub train_accuracy: Option<f64>,
    /// The loss on the validation data after the epoch; `None` without such data.
    pub val_loss: Option<f64>,
    /// Share classified right there.
    pub val_accuracy: Option<f64>,
    /// The loss on the validation data of the running average of the parameters; `None` where none is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_val_loss: Option<f64>,
    /// Share that the average classifies right there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_val_accuracy: Option<f64>,
    /// The penalty, mean over the epoch's steps by rows; `None` where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub penalty: Option<f64>,
    /// The rate of the epoch's last update.
    pub learning_rate: f64,
    /// Seconds of training, validation apart, since the epoch was begun or resumed.
    pub seconds: f64,
    /// Rows trained on a second in that time.
    pub examples_per_second: f64,
    /// What a second-order optimizer's step did, which such an epoch is; `None` of a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_order: Option<Report>,
}

impl EpochEvent {
    /// Which of two members is the better one, and comes first: that of the higher accuracy on the held-out data, among equals or
    /// without one that of the lower loss there, without such data that of the lower training loss. What is no number
    /// comes last.
    pub fn rank(&self, other: &Self) -> Ordering {
        let key = |e: &Self| {
            let loss = e.val_loss.unwrap_or(e.train_loss);
            (-e.val_accuracy.unwrap_or(0.0), if loss.is_nan() { f64::INFINITY } else { loss })
        };
        let (a, b) = (key(self), key(other));
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    }
}

/// A member of a population that no longer computes with numbers: it stays as it is from that step on, its last good checkpoint
/// is kept, and the others go on. A run of one model ends with an error instead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diverged {
    /// The member, from 0.
    pub member: usize,
    /// The step at which it was seen, from 1.
    pub step: u64,
    /// Whole epochs done by then.
    pub epoch: u32,
    /// What a run of this member alone would have ended with.
    pub reason: String,
}

/// What an update did to the tensors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TelemetryEvent {
    /// The member, from 0; `None` in a run of one model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<usize>,
    /// The step that made the update, from 1.
    pub step: u64,
    /// Passes over the data after it, with their fraction.
    pub epoch: f64,
    /// In the model's order; frozen tensors are left out.
    pub tensors: Vec<TensorTelemetry>,
}

/// What an update did to a tensor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TensorTelemetry {
    /// Its name.
    pub tensor: String,
    /// ‖w‖ before the update.
    pub parameters: f64,
    /// ‖g‖ before clipping; infinite where its square is beyond the device's floats, and written as null then.
    pub gradients: f64,
    /// ‖Δw‖.
    pub update: f64,
    /// ‖Δw‖ / ‖w‖, about 1e-3 where the learning rate is right; `None` for a tensor of zeros.
    pub ratio: Option<f64>,
    /// max |g|.
    pub largest_gradient: f64,
    /// Elements of the gradient that are no numbers.
    pub non_finite: u64,
}

/// Something a run says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A step's record has come back.
    Step(StepEvent),
    /// An epoch is over, validated and saved; of a population one for each member that goes on.
    Epoch(EpochEvent),
    /// A member of a population has diverged; it says no more.
    Diverged(Diverged),
    /// What an update did to each tensor, at the stride that was asked for.
    Telemetry(TelemetryEvent),
}

/// What the watcher of a run wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    #[default]
    Continue,
    /// Stop after what is under way, and save.
    Stop,
}

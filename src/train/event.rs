//! What a run says while it trains.

use serde::Serialize;

use crate::optim::second::Report;

/// One step, as it was before its update.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StepEvent {
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

/// Something a run says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// A step's record has come back.
    Step(StepEvent),
    /// An epoch is over, validated and saved.
    Epoch(EpochEvent),
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

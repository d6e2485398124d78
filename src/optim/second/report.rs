//! How a step of a second-order optimizer went.

use std::fmt;

/// Why a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ended {
    /// `max |g| ≤ tolerance_grad`: a stationary point.
    Gradient,
    /// After `max_iter` iterations.
    Iterations,
    /// After `max_eval` evaluations.
    Evaluations,
    /// The parameters moved by `tolerance_change` at most.
    Change,
    /// The loss changed by less than `tolerance_change`.
    Loss,
    /// The direction hardly leads downhill: `⟨g, d⟩ > −tolerance_change`.
    Slope,
    /// The line search found no lower point; the parameters are where the last iteration left them.
    LineSearch,
    /// The loss, a gradient or the direction is infinite or no number where the step stands; the parameters are where they were.
    NonFinite,
}

impl Ended {
    /// In words, to follow `ended because`.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Gradient => "the gradient is within its tolerance",
            Self::Iterations => "`max_iter` iterations were done",
            Self::Evaluations => "`max_eval` evaluations were done",
            Self::Change => "the parameters hardly moved",
            Self::Loss => "the loss hardly changed",
            Self::Slope => "the direction hardly leads downhill",
            Self::LineSearch => "the line search found no lower point",
            Self::NonFinite => "the loss or its gradient is not finite",
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.describe())
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Report {
    /// The loss before it: what PyTorch's `step` returns.
    pub began: f64,
    /// The loss after it.
    pub loss: f64,
    /// `max |g|` after it.
    pub gradient: f64,
    /// Iterations.
    pub iterations: usize,
    /// Evaluations of the loss and its gradient.
    pub evaluations: usize,
    /// Why it ended.
    pub ended: Ended,
}

//! Training: epochs over a data set on either device, what is said on the way, what is kept, and what it then answers.

pub mod checkpoint;
pub mod config;
mod event;
mod group;
mod member;
mod pace;
mod predictor;
mod recipe;
mod rules;
mod set;
mod spread;
mod torch_state;
mod trainer;
mod update;
mod weights;

pub use event::{Diverged, EpochEvent, Event, Flow, StepEvent, TelemetryEvent, TensorTelemetry};
pub use group::Group;
pub use member::Member;
pub use predictor::{ClassScores, Confusion, Evaluation, Macro, Meaning, Outputs, Predictions, Predictor};
pub use recipe::Recipe;
pub use spread::Spread;
pub use torch_state::{Difference, TorchOptimizer};
pub use trainer::{End, Judged, Trainer};
pub use update::UpdateOptions;
pub use weights::Weights;

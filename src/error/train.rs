//! Errors of a training run.

use std::path::PathBuf;

use crate::shape::Shape;

/// Why training cannot begin or go on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The loss is no longer a number.
    #[error(
        "the loss of step {step} is {loss}{}. {} Lower the learning rate, or look for a division by zero or a logarithm of one in the data or the model",
        first.as_ref().map(|f| format!("; first non-finite: {f}")).unwrap_or_default(),
        kept(.checkpoint)
    )]
    NonFiniteLoss {
        /// The step, from 1.
        step: u64,
        /// What the loss was.
        loss: f64,
        /// Where something non-finite was seen first, in words.
        first: Option<String>,
        /// The run's folder, whose last checkpoint is finite.
        checkpoint: Option<PathBuf>,
    },
    /// A gradient or a parameter is no longer a number, though the losses were.
    #[error("{first}. {} Lower the learning rate", kept(.checkpoint))]
    NonFiniteTensor {
        /// Where, in words.
        first: String,
        /// The run's folder, whose last checkpoint is finite.
        checkpoint: Option<PathBuf>,
    },
    /// The model wants examples of another size than the data have.
    #[error("`model.input` is {input} ({} numbers), but each example of the data has shape {data} ({} numbers)", .input.elements(), .data.elements())]
    Input {
        /// What the model wants.
        input: Shape,
        /// What the data have.
        data: Shape,
    },
    /// A run without steps.
    #[error("`{field}` must be at least 1, found 0")]
    Zero {
        /// `epochs` or `batch_size`.
        field: &'static str,
    },
    /// A classifier whose output is not a row of scores.
    #[error(
        "the model must answer each example with a row of scores, [classes], for {loss}; its last layer gives shape {found}. Is a `flatten` missing?"
    )]
    Output {
        /// The loss.
        loss: &'static str,
        /// The output's shape, of one example.
        found: Shape,
    },
    /// Training and validation data do not fit one model.
    #[error("the validation data have examples of shape {validation}, the training data of shape {train}")]
    Validation {
        /// Shape of a training example.
        train: Shape,
        /// Shape of a validation example.
        validation: Shape,
    },
}

fn kept(folder: &Option<PathBuf>) -> String {
    match folder {
        Some(folder) => format!("The last good checkpoint is kept in {}.", folder.display()),
        None => "No checkpoint was written yet.".into(),
    }
}

//! Errors of a training run.

use std::path::PathBuf;

use super::Misshaped;
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
    /// What a model keeps without learning it (a running mean, a running variance) is no longer a number.
    #[error(
        "`{name}` holds {found} after step {step}: what it follows overflowed. {} Look for very large numbers in the data, or standardise them",
        kept(.checkpoint)
    )]
    NonFiniteBuffer {
        /// The tensor, as files name it.
        name: String,
        /// The first of its numbers that is none.
        found: f64,
        /// Steps done.
        step: u64,
        /// The run's folder, whose last checkpoint is finite.
        checkpoint: Option<PathBuf>,
    },
    /// The loss on the held-out data is no number, though training's was.
    #[error(
        "the loss on the held-out data is {loss} after epoch {epoch}, though that on the training data is a number. {} Look for very large \
         numbers in the held-out data, and, after `--init`, for a negative running variance",
        kept(.checkpoint)
    )]
    NonFiniteValidation {
        /// What the loss was.
        loss: f64,
        /// The epoch, from 1.
        epoch: u32,
        /// The run's folder, with the weights after that epoch.
        checkpoint: Option<PathBuf>,
    },
    /// A schedule that waits for a loss that nothing is held out for.
    #[error(
        "the schedule `{schedule}` follows the loss on validation data, and this run has none: set `data.validation` to a part \
         above 0, or take another schedule"
    )]
    NoValidation {
        /// The schedule.
        schedule: &'static str,
    },
    /// The model wants examples of another size than the data have.
    #[error("`model.input` is {input} ({} numbers), but each example of the data has shape {data} ({} numbers)", .input.elements(), .data.elements())]
    Input {
        /// What the model wants.
        input: Shape,
        /// What the data have.
        data: Shape,
    },
    /// A second-order optimizer cannot train this run.
    #[error("`{optimizer}` cannot train {what}; {instead}")]
    Unsuited {
        /// The optimizer.
        optimizer: &'static str,
        /// What stands in its way, in words.
        what: String,
        /// What to do.
        instead: &'static str,
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
    /// A folder that is not a run's, or lacks a file of one.
    #[error(
        "cannot use the run in {}: {missing} cannot be read ({reason}); name a folder that `thalweg train` wrote",
        .folder.display()
    )]
    NoRun {
        /// The folder.
        folder: PathBuf,
        /// `the folder`, or the file's name.
        missing: &'static str,
        /// What the system said.
        reason: String,
    },
    /// A run without a running average, where that was asked for.
    #[error(
        "the run in {} keeps no running average of its parameters; leave `--average` out, or train it with `train.average` (a decay \
         like 0.99)",
        .folder.display()
    )]
    NoAverage {
        /// The folder.
        folder: PathBuf,
    },
    /// Numbers to standardise by that cannot be read.
    #[error(
        "`{}` does not hold a list `mean` and a list `std` of numbers ({reason}); copy the one that the run wrote",
        .path.display()
    )]
    BadStandardisation {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Names of classes that cannot be read.
    #[error("`{}` does not hold a JSON list of names, each once ({reason}); copy the one that the run wrote", .path.display())]
    BadClasses {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Examples of a shape that the run's weights do not suit.
    #[error("examples of shape {data} do not suit the run's weights:{}; give data like those it was trained on", listed(.tensors))]
    Misfit {
        /// The examples' shape.
        data: Shape,
        /// The tensors that would be of another shape: `expected` with these data, `found` in the run.
        tensors: Vec<Misshaped>,
    },
    /// Data without targets where they are to be judged by.
    #[error(
        "the {rows} rows have no targets to judge by: a CSV file needs the class in the last column, an NPZ file the \
         array `y` beside `x` (`y_val` beside `x_val`); `predict` answers rows without"
    )]
    NoTargets {
        /// The rows there are.
        rows: usize,
    },
    /// An output that is not a number.
    #[error(
        "output {output} of row {row} (both from 0) is {found}: a weight is not finite, or the row is too large for \
         the precision; look at the row, or use `--device cpu --precision f64`"
    )]
    NonFiniteOutput {
        /// The row of the data's source, from 0.
        row: usize,
        /// The place within the flattened output, from 0.
        output: usize,
        /// What it is.
        found: f64,
    },
    /// A loss beyond the precision, though the outputs are finite.
    #[error(
        "the loss over the rows from {first} to {last} (from 0) is {loss}, though every output is finite: look at \
         their targets, or use `--device cpu --precision f64`"
    )]
    NonFiniteEvaluation {
        /// The loss.
        loss: f64,
        /// The first row of the minibatch, in the data's source.
        first: usize,
        /// The last.
        last: usize,
    },
}

fn listed(tensors: &[Misshaped]) -> String {
    let line =
        |Misshaped { name, expected, found }: &Misshaped| format!(" `{name}` would be {expected}, the run has {found}");
    tensors.iter().map(line).collect::<Vec<_>>().join(",")
}

fn kept(folder: &Option<PathBuf>) -> String {
    match folder {
        Some(folder) => format!("The last good checkpoint is kept in {}.", folder.display()),
        None => "No checkpoint was written yet.".into(),
    }
}

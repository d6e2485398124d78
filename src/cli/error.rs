//! What can go wrong in the command itself.

use std::path::{Path, PathBuf};

use thalweg::train::checkpoint::{MODEL, POPULATION, member_folder};

/// An error that ends the command with exit code 2.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The library refused.
    #[error(transparent)]
    Library(Box<thalweg::Error>),
    /// Data that cannot be used, where the error does not say by itself out of which file.
    #[error("`{of}`: {error}")]
    Data {
        /// The source.
        of: String,
        /// What is wrong with it.
        error: thalweg::error::DataError,
    },
    /// Data that a trained model cannot be given, where the error does not say by itself which data.
    #[error("`{of}`: {error}")]
    Given {
        /// The file or source.
        of: String,
        /// What is wrong.
        error: Box<thalweg::Error>,
    },
    /// A part that the data do not have.
    #[error("`{data}` cannot be asked for `--part {part}`: {why}; leave `--part` out or name the other one")]
    NoPart {
        /// The source.
        data: String,
        /// The part.
        part: &'static str,
        /// Why there is none.
        why: &'static str,
    },
    /// `--out` with an ending that says no format.
    #[error("`--out {}` must end in .csv or .npz, which says the format", .found.display())]
    OutEnding {
        /// What was given.
        found: PathBuf,
    },
    /// Predictions that their format does not hold.
    #[error("cannot write `{}`: {source}; write a .csv file, or give fewer rows", .path.display())]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// What the format says.
        source: std::io::Error,
    },
    /// Standard output is gone.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
    /// `--out` names a folder with a run in it.
    #[error("{} already holds a run; go on with it by `--resume {}`, or choose another `--out`", .folder.display(), .folder.display())]
    Taken {
        /// The folder.
        folder: PathBuf,
    },
    /// `--resume` and `--out` name two folders.
    #[error("`--resume {}` goes on in its own folder; leave `--out` out", .folder.display())]
    ResumeElsewhere {
        /// The folder resumed.
        folder: PathBuf,
    },
    /// What made the run cannot be read again.
    #[error("cannot resume {}: its run.toml cannot be read ({source}); name a folder that `thalweg train` wrote", .folder.display())]
    NoRun {
        /// The folder resumed.
        folder: PathBuf,
        /// What the system or the parser said.
        source: Box<thalweg::Error>,
    },
    /// Settings that must stay as they were were changed.
    #[error("cannot resume {}: `[{section}]` differs from the run that is there. Only `train.epochs`, `[optimizer]`'s numbers and `[schedule]` may change; start a new run with `--init {}` instead", .folder.display(), weights(.folder).display())]
    ResumeDiffers {
        /// The folder resumed.
        folder: PathBuf,
        /// The section of the TOML.
        section: &'static str,
    },
    /// The data's classes are not those that the run began with.
    #[error("cannot resume {}: its data have the classes {found} now, and had {known}; restore the folders of images, or start a new run with `--init {}` instead", .folder.display(), weights(.folder).display())]
    ResumeClasses {
        /// The folder resumed.
        folder: PathBuf,
        /// The names there are.
        found: String,
        /// The names there were.
        known: String,
    },
    /// A plot over steps whose number nobody knows.
    #[error("{error}. The steps of an epoch are counted from the data: give `--steps-per-epoch N` to do without them")]
    NoSteps {
        /// Why the data do not say it.
        error: Box<CliError>,
    },
    /// `--set` without a value.
    #[error("`--set {found}` must be key=value, for example `--set optimizer.learning_rate=3e-4`")]
    Set {
        /// What was given.
        found: String,
    },
    /// The signal handler could not be set.
    #[error("cannot watch for Ctrl-C: {0}")]
    Signals(#[from] ctrlc::Error),
}

/// Weights that a run in this folder has left; of a population its first member's.
fn weights(folder: &Path) -> PathBuf {
    let of_many = folder.join(POPULATION).exists();
    if of_many { member_folder(folder, 0).join(MODEL) } else { folder.join(MODEL) }
}

macro_rules! library {
    ($($name:ident),*) => {
        $(impl From<thalweg::error::$name> for CliError {
            fn from(error: thalweg::error::$name) -> Self {
                Self::Library(Box::new(error.into()))
            }
        })*
    };
}
library!(ConfigError, DataError, DeviceError, CheckpointError, TrainError, GraphError);

impl From<thalweg::error::TuningError> for CliError {
    fn from(error: thalweg::error::TuningError) -> Self {
        thalweg::error::DeviceError::from(error).into()
    }
}

impl From<thalweg::Error> for CliError {
    fn from(error: thalweg::Error) -> Self {
        Self::Library(Box::new(error))
    }
}

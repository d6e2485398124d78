//! Errors of data that a trained model is given.

use std::path::PathBuf;

/// Why data cannot be given to a trained model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GivenError {
    /// Neither a source by name nor a file or folder whose kind can be told.
    #[error(
        "`{found}` is neither a data source ({}) nor a file that ends in .csv or .npz, nor a folder that is there; \
         name its kind before it, as in `csv:{found}`",
        known.join(", ")
    )]
    Unrecognised {
        /// What was written.
        found: String,
        /// The known sources.
        known: &'static [&'static str],
    },
    /// A text file whose columns are neither the model's features nor these and a class.
    #[error(
        "`{}` has {found} columns; neither {} features with the class in the last nor {found} features alone suit the \
         model: {misfit}",
        path.display(), found.saturating_sub(1)
    )]
    Columns {
        /// The file.
        path: PathBuf,
        /// Its columns.
        found: usize,
        /// Why the model takes neither.
        misfit: Box<super::Error>,
    },
}

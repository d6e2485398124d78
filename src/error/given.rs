//! Errors of data that a trained model is given.

use std::path::PathBuf;

/// Why data cannot be given to a trained model, or their classes not be known by name.
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
    /// Names that are not one for each class.
    #[error(
        "{found} names for {classes} classes{}; give each class a name of its own",
        twice.as_ref().map(|name| format!(", `{name}` twice")).unwrap_or_default()
    )]
    ClassNames {
        /// Names given.
        found: usize,
        /// Classes there are.
        classes: usize,
        /// A name given twice.
        twice: Option<String>,
    },
    /// Classes that the run does not know.
    #[error(
        "the run knows no class {}; it knows {}: rename the folders as the run's were, or leave them out",
        quoted(found),
        quoted(known)
    )]
    UnknownClasses {
        /// Their names.
        found: Vec<String>,
        /// The run's classes.
        known: Vec<String>,
    },
    /// Named classes where the run keeps no names and has another number of them.
    #[error(
        "the data have {} classes ({}), the run {classes}, and no `classes.json` that says which is which: give a folder for each \
         of the run's classes, or put a `classes.json` with the names in their order into the run's folder, as a JSON list",
        found.len(), quoted(found)
    )]
    UnnamedClasses {
        /// The data's classes.
        found: Vec<String>,
        /// How many the run has.
        classes: usize,
    },
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

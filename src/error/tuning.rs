//! What can go wrong with the file of choices between kernels. None of it stops a run.

use std::path::PathBuf;

/// Why the file of choices cannot be used, or what asks for tuning cannot be understood. A run goes on without: with choices
/// of its own, which nobody keeps.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TuningError {
    /// A word that says nothing about tuning.
    #[error("{what} is `{found}`: expected `off`, `cached`, or the seconds that tuning may take, as `2` or `0.5`")]
    Setting {
        /// Which setting.
        what: String,
        /// What it says.
        found: String,
    },
    /// No variable of the environment says where caches lie.
    #[error(
        "the choices between kernels are kept by nobody: neither {} is set. Set one to a folder, or THALWEG_TUNING=off",
        .variables.join(" nor ")
    )]
    NoFolder {
        /// The variables that were looked at.
        variables: Vec<&'static str>,
    },
    /// The file is there and cannot be read.
    #[error(
        "the choices between kernels in `{}` cannot be read ({reason}), and are made again for this run alone. Make the file \
         readable, delete it, or set THALWEG_CACHE to another folder", .path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file is not what this library writes; it is written anew.
    #[error("`{}` holds no choices between kernels ({reason}); it is rebuilt", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file cannot be written.
    #[error(
        "the choices between kernels cannot be kept in `{}` ({reason}): the next run makes them again. Make the folder \
         writable, set THALWEG_CACHE to another one, or THALWEG_TUNING=off", .path.display()
    )]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
}

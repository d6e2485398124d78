//! Data that a trained model is given: parts of a source, with targets or without.

use std::path::Path;

use super::{DataError, Dataset, Source, cifar, csv, digits, idx, images, npz};
use crate::error::{Error, GivenError, Result};
use crate::shape::Shape;

/// The parts that a source has of its own; one that has none is `undivided`.
///
/// ```
/// use thalweg::data::Source;
/// let given = Source::recognise("digits")?.given(".".as_ref(), &mut |_| Ok(()))?;
/// assert!(given.train.is_none() && given.undivided.is_some_and(|all| all.rows() == 1797));
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Given {
    /// What the source calls the training part.
    pub train: Option<Dataset>,
    /// What it has to validate or test by.
    pub validation: Option<Dataset>,
    /// All of it, where it is not divided.
    pub undivided: Option<Dataset>,
}

impl Source {
    /// A source by name, as [`FORMS`](Self::FORMS) has them, or by what a path leads to: a file ending in `.csv` or
    /// `.npz`, a folder with the files of MNIST or CIFAR, or else one of images.
    ///
    /// # Errors
    ///
    /// [`GivenError::Unrecognised`].
    pub fn recognise(text: &str) -> Result<Self, DataError> {
        if let Ok(source) = text.parse() {
            return Ok(source);
        }
        let path = Path::new(text);
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            _ if path.is_dir() => {}
            Some("csv") => return Ok(Self::Csv(path.into())),
            Some("npz") => return Ok(Self::Npz(path.into())),
            _ => return Err(GivenError::Unrecognised { found: text.to_owned(), known: Self::FORMS }.into()),
        }
        let has = |names: &[&str]| names.iter().any(|name| path.join(name).exists());
        let endings = ["-idx3-ubyte", ".idx3-ubyte", "-idx3-ubyte.gz", ".idx3-ubyte.gz"];
        let of_digits = |part: &str| endings.iter().any(|end| path.join(format!("{part}-images{end}")).exists());
        Ok(if of_digits("train") || of_digits("t10k") {
            Self::Idx(path.into())
        } else if has(&["data_batch_1.bin", "test_batch.bin", "cifar-10-batches-bin"]) {
            Self::Cifar10(path.into())
        } else if has(&["train.bin", "test.bin", "cifar-100-binary"]) {
            Self::Cifar100(path.into())
        } else {
            Self::Images(path.into())
        })
    }

    /// Reads what a trained model is given; a relative path is relative to `base`.
    ///
    /// Targets may be missing: in an NPZ file beside `x_train`, `x_val` (or `x_test`) or `x`, and in a CSV file whose
    /// columns are all features. `takes` says whether the model takes examples of a shape, and decides how a CSV file of
    /// `n` columns is read: as `n − 1` features and the class, if it takes those, or as `n` features. An NPZ file that
    /// has only a training part counts as undivided.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load); [`GivenError::Columns`] for a CSV file that is neither; what `takes` says that is not about
    /// shapes.
    pub fn given(&self, base: &Path, takes: &mut dyn FnMut(&Shape) -> Result<()>) -> Result<Given> {
        let divided = |(train, validation): (Dataset, Option<Dataset>)| match validation {
            Some(held) => Given { train: Some(train), validation: Some(held), undivided: None },
            None => Given { train: None, validation: None, undivided: Some(train) },
        };
        Ok(match self {
            Self::Digits => divided((digits::load()?, None)),
            Self::Csv(file) => divided((by_columns(&base.join(file), takes)?, None)),
            Self::Npz(file) => match npz::load_given(&base.join(file))? {
                [Some(train), None, None] => divided((train, None)),
                [train, validation, undivided] => Given { train, validation, undivided },
            },
            Self::Idx(folder) => divided(idx::load(&base.join(folder))?),
            Self::Cifar10(folder) => divided(cifar::load(&base.join(folder), &cifar::TEN)?),
            Self::Cifar100(folder) => divided(cifar::load(&base.join(folder), &cifar::HUNDRED)?),
            Self::Images(folder) => divided(images::load(&base.join(folder))?),
        })
    }
}

fn by_columns(path: &Path, takes: &mut dyn FnMut(&Shape) -> Result<()>) -> Result<Dataset> {
    let found = csv::columns(path)?;
    if found > 1 {
        match takes(&Shape::from([found - 1])) {
            Ok(()) => return Ok(csv::load(path)?),
            // The columns are not at fault.
            Err(other) if !of_shape(&other) => return Err(other),
            Err(_) => {}
        }
    }
    match takes(&Shape::from([found])) {
        Ok(()) => Ok(csv::load_unlabelled(path)?),
        Err(misfit) if of_shape(&misfit) => {
            let (path, misfit) = (path.to_owned(), Box::new(misfit));
            Err(DataError::from(GivenError::Columns { path, found, misfit }).into())
        }
        Err(other) => Err(other),
    }
}

/// Whether an error may be the shape's fault.
fn of_shape(error: &Error) -> bool {
    matches!(error, Error::Train(_) | Error::Graph(_))
}

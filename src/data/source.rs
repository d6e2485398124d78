//! Where data come from.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{DataError, Split, cifar, csv, digits, idx, images, npz, split};

/// A data set by name, as `source` of a run's `[data]` says it.
///
/// ```
/// use thalweg::data::{DataError, Source};
/// assert_eq!("csv:iris.csv".parse::<Source>()?, Source::Csv("iris.csv".into()));
/// assert!(matches!("mnist".parse::<Source>(), Err(DataError::UnknownSource { .. })));
/// # Ok::<(), DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// `"digits"`: 1,797 handwritten digits, embedded; pixels in `[0, 1]`, shape `[1, 8, 8]`, ten classes.
    ///
    /// Alpaydin and Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository, 1998 (the
    /// test part), CC BY 4.0.
    Digits,
    /// `"csv:FILE"`: numbers separated by commas, one example a line, the class in the last column.
    ///
    /// The other columns are the features, of shape `[columns − 1]`, read as f64. A first line of which no cell is a
    /// number is a header. Classes are non-negative integers; there are as many as the largest plus one.
    Csv(PathBuf),
    /// `"npz:FILE"`: NumPy arrays `x_train` and `y_train`, and `x_val` and `y_val` where the file has a split of its
    /// own.
    ///
    /// `x_*` has shape `[N, …]` and any float or integer type, in C or Fortran order; one example has the shape after
    /// `N`, or `[1]` where there is none. Types that f32 holds exactly (f16, f32, integers of 8 and 16 bits) are held
    /// so, wider ones as f64.
    /// `y_*` is integers of shape `[N]`, the classes (as many as the largest of both parts plus one), or floats of
    /// shape `[N, …]`, numbers to answer; floats of shape `[N]` count as `[N, 1]`, as a linear layer with one output
    /// gives them.
    Npz(PathBuf),
    /// `"idx:DIR"`: MNIST and what is laid out like it (Fashion-MNIST, KMNIST, EMNIST); pixels in `[0, 1]`, shape
    /// `[1, height, width]`.
    ///
    /// The folder holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same of `t10k`, which is its own
    /// split; `train-images.idx3-ubyte` is read too, and all of them packed with gzip. There are as many classes as the
    /// largest label of both parts plus one.
    Idx(PathBuf),
    /// `"cifar10:DIR"`: the binary version of CIFAR-10; pixels in `[0, 1]`, shape `[3, 32, 32]`, ten classes.
    ///
    /// `data_batch_1.bin` to `data_batch_5.bin` to train on, `test_batch.bin` to validate by, in the folder or in its
    /// `cifar-10-batches-bin`. Any number of records will do, if it is the same in all five.
    ///
    /// Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*, 2009.
    Cifar10(PathBuf),
    /// `"cifar100:DIR"`: the binary version of CIFAR-100; pixels in `[0, 1]`, shape `[3, 32, 32]`, the 100 fine classes.
    ///
    /// `train.bin` to train on, `test.bin` to validate by, in the folder or in its `cifar-100-binary`.
    Cifar100(PathBuf),
    /// `"images:DIR"`: PNG and JPEG files in one folder a class; values in `[0, 1]`, shape `[1, height, width]` or, if
    /// any file is a colour one (whatever its pixels are), `[3, height, width]`.
    ///
    /// The classes are the sub-folders in the order of their names. Where they lie in `train/`, they are the training
    /// part, and those of `val/` (or `validation/`, or else `test/`) are what it is judged by. All files must have one
    /// size and be opaque. Orientation tags and colour profiles are not looked at; hidden files are passed over.
    Images(PathBuf),
}

impl FromStr for Source {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        match text.split_once(':') {
            None if text == "digits" => Ok(Self::Digits),
            Some(("csv", file)) if !file.is_empty() => Ok(Self::Csv(file.into())),
            Some(("npz", file)) if !file.is_empty() => Ok(Self::Npz(file.into())),
            Some(("idx", folder)) if !folder.is_empty() => Ok(Self::Idx(folder.into())),
            Some(("cifar10", folder)) if !folder.is_empty() => Ok(Self::Cifar10(folder.into())),
            Some(("cifar100", folder)) if !folder.is_empty() => Ok(Self::Cifar100(folder.into())),
            Some(("images", folder)) if !folder.is_empty() => Ok(Self::Images(folder.into())),
            _ => Err(DataError::UnknownSource { found: text.to_owned(), known: Self::FORMS }),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Digits => f.write_str("digits"),
            Self::Csv(file) => write!(f, "csv:{}", file.display()),
            Self::Npz(file) => write!(f, "npz:{}", file.display()),
            Self::Idx(folder) => write!(f, "idx:{}", folder.display()),
            Self::Cifar10(folder) => write!(f, "cifar10:{}", folder.display()),
            Self::Cifar100(folder) => write!(f, "cifar100:{}", folder.display()),
            Self::Images(folder) => write!(f, "images:{}", folder.display()),
        }
    }
}

impl Source {
    /// How each is written.
    pub const FORMS: &'static [&'static str] =
        &["digits", "csv:FILE", "npz:FILE", "idx:DIR", "cifar10:DIR", "cifar100:DIR", "images:DIR"];

    /// The file or folder; none where the data are embedded.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Digits => None,
            Self::Csv(path)
            | Self::Npz(path)
            | Self::Idx(path)
            | Self::Cifar10(path)
            | Self::Cifar100(path)
            | Self::Images(path) => Some(path),
        }
    }

    /// The same with its path joined to `base`.
    #[must_use]
    pub fn within(mut self, base: &Path) -> Self {
        match &mut self {
            Self::Digits => {}
            Self::Csv(path)
            | Self::Npz(path)
            | Self::Idx(path)
            | Self::Cifar10(path)
            | Self::Cifar100(path)
            | Self::Images(path) => *path = base.join(&*path),
        }
        self
    }

    /// Reads the source and splits it; a relative path is relative to `base`, the folder of the run's TOML.
    ///
    /// Where the source has no split of its own, the share `validation` of the rows is held out, as
    /// [`Split::hold_out`] says; where it has one, `validation` is not used.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with the file, with its path and the line, row or byte; `validation` outside `[0, 1)`.
    pub fn load(&self, base: &Path, validation: f64) -> Result<Split, DataError> {
        split::check_share(validation)?;
        let name = self.to_string();
        let (train, held) = match self {
            Self::Digits => (digits::load()?, None),
            Self::Csv(file) => (csv::load(&base.join(file))?, None),
            Self::Npz(file) => npz::load(&base.join(file))?,
            Self::Idx(folder) => idx::load(&base.join(folder))?,
            Self::Cifar10(folder) => cifar::load(&base.join(folder), &cifar::TEN)?,
            Self::Cifar100(folder) => cifar::load(&base.join(folder), &cifar::HUNDRED)?,
            Self::Images(folder) => images::load(&base.join(folder))?,
        };
        match held {
            None => Split::hold_out(train, validation, &name),
            Some(held) => {
                let description =
                    format!("{name}: {} rows, and {} of its own to validate by", train.rows(), held.rows());
                Ok(Split { train, validation: Some(held), description })
            }
        }
    }
}

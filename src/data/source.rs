//! Where data come from.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{DataError, Split, csv, digits, npz, split};

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
}

const KNOWN: &str = "\"digits\", \"csv:FILE\" and \"npz:FILE\"";

impl FromStr for Source {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        match text.split_once(':') {
            None if text == "digits" => Ok(Self::Digits),
            Some(("csv", file)) if !file.is_empty() => Ok(Self::Csv(file.into())),
            Some(("npz", file)) if !file.is_empty() => Ok(Self::Npz(file.into())),
            _ => Err(DataError::UnknownSource { found: text.to_owned(), known: KNOWN }),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Digits => f.write_str("digits"),
            Self::Csv(file) => write!(f, "csv:{}", file.display()),
            Self::Npz(file) => write!(f, "npz:{}", file.display()),
        }
    }
}

impl Source {
    /// Reads the source and splits it; a relative path is relative to `base`, the folder of the run's TOML.
    ///
    /// Where the source has no split of its own, the share `validation` of the rows is held out, as
    /// [`Split::hold_out`] says; where it has one, `validation` is not used.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with the file, with its path and the line or row; `validation` outside `[0, 1)`.
    pub fn load(&self, base: &Path, validation: f64) -> Result<Split, DataError> {
        split::check_share(validation)?;
        let name = self.to_string();
        match self {
            Self::Digits => Split::hold_out(digits::load()?, validation, &name),
            Self::Csv(file) => Split::hold_out(csv::load(&base.join(file))?, validation, &name),
            Self::Npz(file) => match npz::load(&base.join(file))? {
                (all, None) => Split::hold_out(all, validation, &name),
                (train, Some(held)) => {
                    let description =
                        format!("{name}: {} rows, and {} of its own to validate by", train.rows(), held.rows());
                    Ok(Split { train, validation: Some(held), description })
                }
            },
        }
    }
}

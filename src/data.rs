//! Data sets: the embedded digits, files of numbers and of images, their split, and the order of the minibatches.
//!
//! [`Source::load`] reads a source and splits it; a [`Dataset`] built by [`Dataset::new`] serves as well.
//! [`Standardisation`] brings the channels to mean 0 and standard deviation 1. Whatever is wrong with the data is a
//! [`DataError`] that names the row and column, or the byte.

mod batches;
mod bytes;
mod cifar;
mod csv;
mod digits;
mod given;
mod idx;
mod images;
mod npz;
mod source;
mod split;
mod standardisation;
mod values;

pub use batches::{order, steps};
pub use given::Given;
pub use source::Source;
pub use split::Split;
pub use standardisation::Standardisation;
pub use values::Values;

use std::borrow::Cow;
use std::sync::Arc;

use crate::error::GivenError;
pub use crate::error::{DataError, NotAnIndex};
use crate::shape::Shape;

/// What the model should answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// One of `classes` classes for each example.
    Classes {
        /// The class of each example, below `classes`.
        labels: Vec<u32>,
        /// How many classes there are.
        classes: usize,
    },
    /// Numbers for each example.
    Values {
        /// The numbers, row-major.
        values: Values,
        /// Shape of one example's.
        shape: Shape,
    },
}

/// Examples and what the model should answer for them; finite, of one shape, at least one.
///
/// ```
/// use thalweg::Shape;
/// use thalweg::data::{Dataset, Targets, Values};
/// let features = Values::F64(vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
/// let targets = Targets::Classes { labels: vec![0, 1, 1, 0], classes: 2 };
/// let xor = Dataset::new(features, Shape::from([2]), targets)?;
/// assert_eq!(xor.rows(), 4);
/// assert_eq!(xor.select(&[2]).features().to_f64(), [1.0, 0.0]);
/// # Ok::<(), thalweg::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    features: Values,
    shape: Shape,
    targets: Targets,
    rows: usize,
    origin: Origin,
    class_names: Option<Arc<[String]>>,
}

/// The rows of the source that a selection holds, for its errors; `None` for all. No part of what the data are.
#[derive(Clone, Debug, Default)]
struct Origin(Option<Vec<u32>>);

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Origin {
    fn of(&self, row: usize) -> usize {
        self.0.as_ref().map_or(row, |rows| rows[row] as usize)
    }
}

impl Dataset {
    /// Checks and holds examples of `shape`, row-major, with one target each.
    ///
    /// # Errors
    ///
    /// If there is no example or an example is empty, the numbers do not fill whole examples, features and targets
    /// differ in number, a class is not below the number of classes, or a number is NaN or infinite.
    pub fn new(features: Values, shape: Shape, targets: Targets) -> Result<Self, DataError> {
        let width = shape.elements();
        if features.is_empty() || width == 0 {
            return Err(DataError::Empty { of: "features".into() });
        }
        let rows = features.len() / width;
        if rows * width != features.len() {
            let (expected, found) = (rows * width, features.len());
            return Err(DataError::WrongLength { array: "features", rows, shape, expected, found });
        }
        if u32::try_from(rows).is_err() {
            return Err(DataError::TooManyRows { rows });
        }
        let set = Self { features, shape, targets, rows, origin: Origin::default(), class_names: None };
        set.check_targets()?;
        check_each("features", &set.features, width, &set.origin, |found| found.is_finite(), not_finite)?;
        Ok(set)
    }

    /// Examples alone, as a model is to answer them: their targets are no labels of 0 classes, and whatever needs
    /// targets refuses them.
    ///
    /// ```
    /// use thalweg::Shape;
    /// use thalweg::data::{Dataset, Values};
    /// let points = Dataset::unlabelled(Values::F32(vec![0.5, 1.0, 2.0, 4.0]), Shape::from([2]))?;
    /// assert_eq!((points.rows(), points.is_labelled()), (2, false));
    /// # Ok::<(), thalweg::data::DataError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), but for targets.
    pub fn unlabelled(features: Values, shape: Shape) -> Result<Self, DataError> {
        let rows = features.len() / shape.elements().max(1);
        let mut set = Self::new(features, shape, Targets::Classes { labels: vec![0; rows], classes: 1 })?;
        set.targets = Targets::Classes { labels: Vec::new(), classes: 0 };
        Ok(set)
    }

    /// The same with a name for each class, the first that of class 0.
    ///
    /// ```
    /// use thalweg::Shape;
    /// use thalweg::data::{Dataset, Targets, Values};
    /// let targets = Targets::Classes { labels: vec![1, 0], classes: 2 };
    /// let pets = Dataset::new(Values::F32(vec![0.5, 2.0]), Shape::from([1]), targets)?;
    /// let pets = pets.with_class_names(vec!["cat".into(), "dog".into()])?;
    /// // As a model numbers them that knows fish, too.
    /// let known: Vec<String> = ["cat", "crab", "dog"].map(String::from).into();
    /// let Targets::Classes { labels, classes } = pets.numbered_by(&known)?.targets().clone() else { unreachable!() };
    /// assert_eq!((labels, classes), (vec![2, 0], 3));
    /// # Ok::<(), thalweg::data::DataError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`GivenError::ClassNames`] if there are not as many names as classes, or two are the same.
    pub fn with_class_names(mut self, names: Vec<String>) -> Result<Self, DataError> {
        let classes = match &self.targets {
            Targets::Classes { classes, .. } => *classes,
            Targets::Values { .. } => 0,
        };
        let mut sorted: Vec<_> = names.iter().collect();
        sorted.sort_unstable();
        let twice = sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone());
        if names.len() != classes || twice.is_some() {
            return Err(GivenError::ClassNames { found: names.len(), classes, twice }.into());
        }
        self.class_names = Some(names.into());
        Ok(self)
    }

    /// The names of the classes, where the source has any: the folders of images.
    pub fn class_names(&self) -> Option<&[String]> {
        self.class_names.as_deref()
    }

    /// The same with the classes numbered as they stand in `known`, by their names. Data whose classes have no names stay as they
    /// are.
    ///
    /// # Errors
    ///
    /// [`GivenError::UnknownClasses`] where a name is not among them.
    pub fn numbered_by(&self, known: &[String]) -> Result<Cow<'_, Self>, DataError> {
        let (Some(names), Targets::Classes { labels, .. }) = (&self.class_names, &self.targets) else {
            return Ok(Cow::Borrowed(self));
        };
        if **names == *known {
            return Ok(Cow::Borrowed(self));
        }
        let places: Vec<Option<usize>> = names.iter().map(|name| known.iter().position(|k| k == name)).collect();
        let stray = names.iter().zip(&places).filter(|(_, place)| place.is_none());
        let found: Vec<String> = stray.map(|(name, _)| name.clone()).collect();
        if !found.is_empty() {
            return Err(GivenError::UnknownClasses { found, known: known.to_vec() }.into());
        }
        let places: Vec<u32> = places.into_iter().flatten().map(|place| place as u32).collect();
        let labels = labels.iter().map(|&label| places[label as usize]).collect();
        let mut numbered = self.clone();
        numbered.targets = Targets::Classes { labels, classes: known.len() };
        numbered.class_names = Some(known.into());
        Ok(Cow::Owned(numbered))
    }

    /// Whether there are targets.
    pub fn is_labelled(&self) -> bool {
        !matches!(&self.targets, Targets::Classes { labels, .. } if labels.is_empty())
    }

    /// The same examples in a shape of as many numbers.
    pub(crate) fn reshaped(mut self, shape: &Shape) -> Self {
        debug_assert_eq!(self.shape.elements(), shape.elements());
        self.shape = shape.clone();
        self
    }

    /// The row of the source that a row is, for errors.
    pub(crate) fn row_of_source(&self, row: usize) -> usize {
        self.origin.of(row)
    }

    fn check_targets(&self) -> Result<(), DataError> {
        match &self.targets {
            Targets::Classes { labels, classes } => {
                if labels.len() != self.rows {
                    return Err(DataError::LengthMismatch {
                        features: "features".into(),
                        rows: self.rows,
                        targets: "targets".into(),
                        found: labels.len(),
                    });
                }
                self.check_classes(*classes)
            }
            Targets::Values { values, shape } => {
                let width = shape.elements();
                if width == 0 {
                    return Err(DataError::Empty { of: "targets".into() });
                }
                if self.rows.checked_mul(width) != Some(values.len()) {
                    return Err(DataError::WrongLength {
                        array: "targets",
                        rows: self.rows,
                        shape: shape.clone(),
                        expected: self.rows.saturating_mul(width),
                        found: values.len(),
                    });
                }
                check_each("targets", values, width, &self.origin, |found| found.is_finite(), not_finite)
            }
        }
    }

    /// The examples, row-major.
    pub fn features(&self) -> &Values {
        &self.features
    }

    /// The shape of one example.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// What the model should answer.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// How many examples there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The named examples, in that order; one may be named twice. Errors of the selection count its rows as here.
    ///
    /// # Panics
    ///
    /// If a row is not below [`rows`](Self::rows).
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Self {
        let targets = match &self.targets {
            unlabelled if !self.is_labelled() => unlabelled.clone(),
            Targets::Classes { labels, classes } => {
                Targets::Classes { labels: rows.iter().map(|&row| labels[row as usize]).collect(), classes: *classes }
            }
            Targets::Values { values, shape } => {
                Targets::Values { values: values.select(rows, shape.elements()), shape: shape.clone() }
            }
        };
        let features = self.features.select(rows, self.shape.elements());
        let origin = Origin(Some(rows.iter().map(|&row| self.origin.of(row as usize) as u32).collect()));
        let class_names = self.class_names.clone();
        Self { features, shape: self.shape.clone(), targets, rows: rows.len(), origin, class_names }
    }

    /// Whether a model of `classes` outputs can learn every class there is. Data without classes pass.
    ///
    /// # Errors
    ///
    /// [`DataError::Label`] names the first row whose class is not below `classes`.
    pub fn check_classes(&self, classes: usize) -> Result<(), DataError> {
        let Targets::Classes { labels, .. } = &self.targets else { return Ok(()) };
        match labels.iter().position(|&label| label as usize >= classes) {
            Some(row) => Err(DataError::Label { row: self.origin.of(row), label: labels[row], classes }),
            None => Ok(()),
        }
    }

    /// The examples as numbers of rows of a table of `count`, as an embedding takes them.
    ///
    /// # Errors
    ///
    /// [`DataError::NotAnIndex`] names the first that is no whole number from 0 to `count` − 1. PyTorch raises `IndexError`.
    pub fn indices(&self, count: usize) -> Result<Vec<u32>, DataError> {
        let good = |x: f64| x >= 0.0 && x < count as f64 && x.fract() == 0.0 && x <= f64::from(u32::MAX);
        match self.features.iter().position(|x| !good(x)) {
            None => Ok(self.features.iter().map(|x| x as u32).collect()),
            Some(i) => Err(NotAnIndex {
                row: self.origin.of(i / self.shape.elements()),
                column: i % self.shape.elements(),
                found: self.features.get(i),
                count,
            }
            .into()),
        }
    }

    /// Whether every number stays finite when rounded to `f32`, as a GPU holds it.
    ///
    /// # Errors
    ///
    /// [`DataError::BeyondF32`] names the first that does not.
    pub fn check_f32(&self) -> Result<(), DataError> {
        fn beyond(array: String, row: usize, column: usize, found: f64) -> DataError {
            DataError::BeyondF32 { array, row, column, found }
        }
        let fits = |x: f64| (x as f32).is_finite();
        check_each("features", &self.features, self.shape.elements(), &self.origin, fits, beyond)?;
        match &self.targets {
            Targets::Values { values, shape } => {
                check_each("targets", values, shape.elements(), &self.origin, fits, beyond)
            }
            Targets::Classes { .. } => Ok(()),
        }
    }

    /// Whether a minibatch of `batch` examples can be taken.
    ///
    /// # Errors
    ///
    /// [`DataError::BatchTooLarge`] if there are fewer examples.
    pub fn check_batch(&self, batch: usize) -> Result<(), DataError> {
        if batch > self.rows { Err(DataError::BatchTooLarge { batch, rows: self.rows }) } else { Ok(()) }
    }
}

fn not_finite(array: String, row: usize, column: usize, found: f64) -> DataError {
    DataError::NotFinite { array, row, column, found }
}

/// The first number that fails `good`, as an error that says where it stands.
fn check_each(
    array: &str,
    values: &Values,
    width: usize,
    origin: &Origin,
    good: impl Fn(f64) -> bool,
    error: fn(String, usize, usize, f64) -> DataError,
) -> Result<(), DataError> {
    match values.iter().position(|x| !good(x)) {
        Some(i) => Err(error(array.to_owned(), origin.of(i / width), i % width, values.get(i))),
        None => Ok(()),
    }
}

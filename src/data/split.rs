//! Holding rows out.

use super::{DataError, Dataset};
use crate::rng::{Stream, stream};

/// Data to train on and data to judge by.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// What the parameters are fitted to.
    pub train: Dataset,
    /// What they are judged by; none where nothing is held out.
    pub validation: Option<Dataset>,
    /// One line for people: what was read and how it was split.
    pub description: String,
}

impl Split {
    /// Holds out a share of the rows: `round(validation · rows)`, at least 1 and at most all but 1.
    ///
    /// A share of 0, or a single row, holds nothing out. The rows held out are the first of a permutation that depends
    /// on the number of rows alone: not on the training seed, so runs with different seeds are judged by the same
    /// examples. Both parts keep the order of the source.
    ///
    /// ```
    /// use std::path::Path;
    /// use thalweg::data::Source;
    /// let split = Source::Digits.load(Path::new("."), 0.2)?;
    /// assert_eq!(split.train.rows(), 1438);
    /// assert_eq!(split.validation.map(|v| v.rows()), Some(359)); // round(0.2 · 1797)
    /// # Ok::<(), thalweg::data::DataError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If `validation` is not in `[0, 1)`.
    pub fn hold_out(all: Dataset, validation: f64, name: &str) -> Result<Self, DataError> {
        check_share(validation)?;
        let rows = all.rows();
        if validation == 0.0 || rows < 2 {
            return Ok(Self {
                train: all,
                validation: None,
                description: format!("{name}: {rows} rows, none held out"),
            });
        }
        let held = ((validation * rows as f64).round() as usize).clamp(1, rows - 1);
        let mut order = Stream::new(0, 0, stream::SPLIT).permutation(rows);
        let (out, kept) = order.split_at_mut(held);
        out.sort_unstable();
        kept.sort_unstable();
        Ok(Self {
            train: all.select(kept),
            validation: Some(all.select(out)),
            description: format!("{name}: {rows} rows, {held} of them held out"),
        })
    }
}

/// A share outside `[0, 1)`, NaN included, is refused.
pub(super) fn check_share(validation: f64) -> Result<(), DataError> {
    if (0.0..1.0).contains(&validation) { Ok(()) } else { Err(DataError::Validation { found: validation }) }
}

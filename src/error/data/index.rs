//! The error of features that should be row numbers.

use super::super::number;

/// A number that should name a row of an embedding and does not.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "`features`, row {row}, column {column} (both from 0): {} names no row of the embedding: with `count = {count}` \
     whole numbers from 0 to {} do; mend the data, leave out `standardise`, or set a larger `count`",
    number(*found), count.saturating_sub(1)
)]
pub struct NotAnIndex {
    /// The example, from 0.
    pub row: usize,
    /// The place within the flattened example, from 0.
    pub column: usize,
    /// The value.
    pub found: f64,
    /// Rows of the embedding.
    pub count: usize,
}

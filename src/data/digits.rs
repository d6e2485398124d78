//! The embedded digits; `DIGITS.md` beside this file says whose they are.

use std::path::Path;

use super::{DataError, Dataset, Targets, Values, csv};
use crate::shape::Shape;

/// All 1,797 digits in the order of the source, pixels in `[0, 1]`, shape `[1, 8, 8]`, ten classes.
pub(super) fn load() -> Result<Dataset, DataError> {
    let (pixels, labels, _) = csv::read(include_bytes!("digits.csv").as_slice(), Path::new("digits (embedded)"))?;
    // Sixteenths are exact in f32.
    let features = Values::F32(pixels.iter().map(|&p| p as f32 / 16.0).collect());
    Dataset::new(features, Shape::from([1, 8, 8]), Targets::Classes { labels, classes: 10 })
}

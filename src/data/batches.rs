//! Which rows a step takes.

use crate::rng::{Stream, stream};

/// The order of the rows in one epoch; step `i` takes the `i`-th run of `batch` of them.
///
/// With `shuffle` a permutation that is a pure function of `(seed, epoch)`, so a resumed run needs nothing but the
/// step; without it `0..rows`. Epochs count from 0.
///
/// ```
/// use thalweg::data::order;
/// assert_eq!(order(1, 0, 4, false), [0, 1, 2, 3]);
/// assert_eq!(order(1, 7, 100, true), order(1, 7, 100, true));
/// assert_ne!(order(1, 7, 100, true), order(1, 8, 100, true));
/// ```
pub fn order(seed: u64, epoch: u32, rows: usize, shuffle: bool) -> Vec<u32> {
    if shuffle { Stream::new(seed, epoch, stream::SHUFFLE).permutation(rows) } else { (0..rows as u32).collect() }
}

/// The steps of one epoch: ⌈rows / batch⌉. The last minibatch may be short; its rows are trained on too.
///
/// ```
/// assert_eq!(thalweg::data::steps(1438, 64), 23); // 22 of 64 and one of 30
/// ```
///
/// # Panics
///
/// If `batch` is 0.
pub fn steps(rows: usize, batch: usize) -> usize {
    rows.div_ceil(batch)
}

//! What losses share: errors of products and means.

use crate::op::reduce::{Axes, additions};
use crate::op::rounding::{EPSILON, TINY, gamma};

/// The most by which a computed `a · b` may be off, given the same of its factors.
pub(super) fn product(a: f64, a_error: f64, b: f64, b_error: f64) -> f64 {
    let moved = a.abs() * b_error + b.abs() * a_error + a_error * b_error;
    moved + EPSILON * ((a * b).abs() + moved) + TINY * (1.0 + a.abs() + b.abs())
}

/// The most by which a computed difference `a − b = d` may be off, given the sum of its operands' errors.
pub(super) fn difference(d: f64, error: f64) -> f64 {
    error + EPSILON * (d.abs() + error)
}

/// The most by which a computed mean may be off, given each term and its error: the additions of the tree (of chunks, then of their
/// sums, as a sum of all would be cut), the factor 1/n and its rounding.
pub(super) fn mean(terms: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (mut count, mut sizes, mut arrived) = (0usize, 0.0, 0.0);
    for (term, error) in terms {
        count += 1;
        sizes += term.abs() + error;
        arrived += error;
    }
    let line = Axes { outer: 1, len: count, inner: 1 };
    (arrived + gamma(additions(line) + 2) * sizes) / count as f64 + TINY * (count as f64 + 1.0)
}

/// `upstream / n` as the gradient kernels compute it, by a rounded factor: value and error.
pub(super) fn share(upstream: f64, error: f64, n: usize) -> (f64, f64) {
    let share = upstream / n as f64;
    let moved = error / n as f64;
    (share, moved + gamma(2) * (share.abs() + moved) + TINY)
}

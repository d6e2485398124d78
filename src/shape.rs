//! Shapes: the lengths of a tensor's axes, outermost first, row-major without gaps.

use std::fmt;
use std::ops::Deref;

/// The lengths of a tensor's axes, outermost first. `[]` is a scalar.
///
/// ```
/// use thalweg::Shape;
/// let s = Shape::from([64, 1, 8, 8]);
/// assert_eq!(s.elements(), 4096);
/// assert_eq!(s.rank(), 4);
/// assert_eq!(s.to_string(), "[64, 1, 8, 8]");
/// assert_eq!(Shape::scalar().elements(), 1);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// The shape of a single number, `[]`.
    pub fn scalar() -> Self {
        Self(Vec::new())
    }

    /// The number of elements, PyTorch's `numel`: the product of the axes, 1 for a scalar; `usize::MAX` where that is more
    /// than a `usize` counts. (`len` is the slice's: the number of axes.)
    pub fn elements(&self) -> usize {
        if self.0.contains(&0) { 0 } else { self.0.iter().fold(1, |n, &axis| n.saturating_mul(axis)) }
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The axes as a slice.
    pub fn axes(&self) -> &[usize] {
        &self.0
    }

    /// Elements before, along and after `axis`: `(outer, length, inner)`, whose product is [`elements`](Self::elements).
    ///
    /// # Panics
    ///
    /// If `axis` is not below the rank; ops check it in their shape rule.
    pub fn around(&self, axis: usize) -> (usize, usize, usize) {
        (self.0[..axis].iter().product(), self.0[axis], self.0[axis + 1..].iter().product())
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(axes: [usize; N]) -> Self {
        Self(axes.to_vec())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(axes: Vec<usize>) -> Self {
        Self(axes)
    }
}

impl From<&[usize]> for Shape {
    fn from(axes: &[usize]) -> Self {
        Self(axes.to_vec())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

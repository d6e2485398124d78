//! Broadcasting as strides: an axis of length 1, or none, is read with stride 0.

use crate::kernel::Word;
use crate::shape::Shape;

/// Most axes that kernels walk, after neighbours have been merged.
pub(crate) const RANK: usize = 6;

/// One axis: its length, and what one step skips in each operand.
pub(crate) type Axis<const N: usize> = (usize, [usize; N]);

/// The shape that both broadcast to (numpy's rule): axes are matched from the last, and a 1 stretches.
pub(crate) fn common(a: &Shape, b: &Shape) -> Option<Shape> {
    let rank = a.rank().max(b.rank());
    let axis = |s: &Shape, i: usize| (i + s.rank()).checked_sub(rank).map_or(1, |i| s[i]);
    let both = |i| match (axis(a, i), axis(b, i)) {
        (x, y) if x == y => Some(x),
        (1, y) => Some(y),
        (x, 1) => Some(x),
        _ => None,
    };
    (0..rank).map(both).collect::<Option<Vec<usize>>>().map(Shape::from)
}

/// A list of axes, of which the first few take no allocation.
#[derive(Clone, Debug)]
pub(crate) struct Axes<const N: usize> {
    few: [Axis<N>; RANK],
    count: usize,
    many: Vec<Axis<N>>,
}

impl<const N: usize> Axes<N> {
    fn push(&mut self, axis: Axis<N>) {
        if self.count < RANK {
            self.few[self.count] = axis;
        } else {
            if self.many.is_empty() {
                self.many.extend(self.few);
            }
            self.many.push(axis);
        }
        self.count += 1;
    }
}

impl<const N: usize> std::ops::Deref for Axes<N> {
    type Target = [Axis<N>];
    fn deref(&self) -> &[Axis<N>] {
        if self.many.is_empty() { &self.few[..self.count] } else { &self.many }
    }
}

impl<const N: usize> std::ops::DerefMut for Axes<N> {
    fn deref_mut(&mut self) -> &mut [Axis<N>] {
        if self.many.is_empty() { &mut self.few[..self.count] } else { &mut self.many }
    }
}

/// The axes of `shape`, innermost first, with the strides of operands that broadcast to it; neighbours that every operand walks
/// as one are merged.
pub(crate) fn axes<const N: usize>(shape: &Shape, operands: [&Shape; N]) -> Axes<N> {
    let mut step = [1; N];
    let mut merged = Axes { few: [(1, [0; N]); RANK], count: 0, many: Vec::new() };
    for (back, &length) in shape.iter().rev().enumerate() {
        let strides = std::array::from_fn(|n| {
            let own = operands[n].len_at(back);
            let stride = if own == 1 { 0 } else { step[n] };
            step[n] *= own;
            stride
        });
        match merged.last_mut() {
            _ if length == 1 => {}
            Some((inner, at)) if (0..N).all(|n| strides[n] == at[n] * *inner) => *inner *= length,
            _ => merged.push((length, strides)),
        }
    }
    merged
}

trait LenAt {
    fn len_at(&self, back: usize) -> usize;
}

impl LenAt for Shape {
    /// The axis that many from the last; 1 beyond the first.
    fn len_at(&self, back: usize) -> usize {
        self.rank().checked_sub(back + 1).map_or(1, |i| self[i])
    }
}

/// Calls `run` for each run along the innermost axis: where it starts in the whole and in each operand.
pub(crate) fn walk<const N: usize>(axes: &[Axis<N>], mut run: impl FnMut(usize, [usize; N])) {
    let (inner, outer) = axes.split_first().map_or((1, &[][..]), |((length, _), outer)| (*length, outer));
    for i in 0..outer.iter().map(|axis| axis.0).product() {
        let mut rest = i;
        let mut at = [0; N];
        for (length, strides) in outer {
            let step = rest % length;
            rest /= length;
            (0..N).for_each(|n| at[n] += step * strides[n]);
        }
        run(i * inner, at);
    }
}

/// The fields of `shaders/lib/broadcast.wgsl`, named by `names`: lengths of all axes but the outermost, strides of all.
pub(crate) fn words<const N: usize>(
    axes: &[Axis<N>],
    lengths: [&'static str; RANK - 1],
    strides: [[&'static str; RANK]; N],
) -> Vec<(&'static str, Word)> {
    let mut words: Vec<(&'static str, Word)> = Vec::new();
    for (i, name) in lengths.into_iter().enumerate() {
        words.push((name, axes.get(i).map_or(1, |axis| axis.0).into()));
    }
    for (n, names) in strides.into_iter().enumerate() {
        for (i, name) in names.into_iter().enumerate() {
            words.push((name, axes.get(i).map_or(0, |axis| axis.1[n]).into()));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_follows_numpy() {
        let shape = |a: &[usize], b: &[usize]| common(&a.into(), &b.into()).map(|s| s.to_string());
        assert_eq!(shape(&[2, 3], &[3]).as_deref(), Some("[2, 3]"));
        assert_eq!(shape(&[2, 1, 4], &[5, 1]).as_deref(), Some("[2, 5, 4]"));
        assert_eq!(shape(&[], &[0, 2]).as_deref(), Some("[0, 2]"));
        assert_eq!(shape(&[2], &[3]), None);
    }

    #[test]
    fn neighbours_merge_where_all_operands_agree() {
        let whole = Shape::from([4, 5, 6]);
        assert_eq!(*axes(&whole, [&whole, &whole]), [(120, [1, 1])]);
        assert_eq!(*axes(&whole, [&whole, &[6].into()]), [(6, [1, 1]), (20, [6, 0])]);
        assert_eq!(*axes(&whole, [&whole, &[5, 1].into()]), [(6, [1, 0]), (5, [6, 1]), (4, [30, 0])]);
        assert_eq!(*axes(&whole, [&Shape::scalar()]), [(120, [0])]);
        // More than are kept without an allocation.
        let many = axes(&[2; 9].into(), [&[1, 2, 1, 2, 1, 2, 1, 2, 1].into()]);
        let steps: Vec<usize> = many.iter().map(|axis| axis.1[0]).collect();
        assert_eq!(steps, [0, 1, 0, 2, 0, 4, 0, 8, 0]);
    }
}

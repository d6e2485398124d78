//! Products of matrices on the host: what every twin with a product in it computes by.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, Axis, ShapeBuilder};

use crate::op::cores::{elements, join, worth};
use crate::scalar::Scalar;

/// Columns and rows of C that a kernel of the product has in registers, or a multiple: where C is cut.
const TILE: usize = 16;

/// A matrix of `rows` × `columns` that begins where `values` do, with the strides of its axes.
pub fn matrix<T>(values: &[T], [rows, columns]: [usize; 2], strides: [usize; 2]) -> ArrayView2<'_, T> {
    let view = ArrayView2::from_shape((rows, columns).strides((strides[0], strides[1])), values);
    view.unwrap_or_else(|_| unreachable!("the values reach as far as the strides go"))
}

/// The same to be written, row after row.
pub fn matrix_mut<T>(values: &mut [T], shape: [usize; 2]) -> ArrayViewMut2<'_, T> {
    let view = ArrayViewMut2::from_shape((shape[0], shape[1]), values);
    view.unwrap_or_else(|_| unreachable!("a slice of rows·columns elements"))
}

/// `c = a b + beta c` on this core.
pub fn product<T: Scalar>(a: ArrayView2<'_, T>, b: ArrayView2<'_, T>, beta: T, mut c: ArrayViewMut2<'_, T>) {
    general_mat_mul(T::one(), &a, &b, beta, &mut c);
}

/// `c = a b` on as many cores as it is worth. Each has a part of C and sums as one core would: the same bits on any number.
pub fn shared<T: Scalar>(a: ArrayView2<'_, T>, b: ArrayView2<'_, T>, c: ArrayViewMut2<'_, T>) {
    let flops = 2 * (c.len() as u64).saturating_mul(a.ncols() as u64);
    halve(a, b, c, worth(elements(flops)));
}

fn halve<T: Scalar>(a: ArrayView2<'_, T>, b: ArrayView2<'_, T>, c: ArrayViewMut2<'_, T>, cores: usize) {
    // Each half reads the operand that is not cut: that is the smaller one.
    let (length, axis) = if c.ncols() >= c.nrows() { (c.ncols(), Axis(1)) } else { (c.nrows(), Axis(0)) };
    let (few, many) = (cores / 2, cores - cores / 2);
    let cut = (length * few / cores.max(1)).next_multiple_of(TILE);
    if cores <= 1 || cut >= length {
        return product(a, b, T::zero(), c);
    }
    let (c_low, c_high) = c.split_at(axis, cut);
    let ((a_low, b_low), (a_high, b_high)) = if axis == Axis(1) {
        let (low, high) = b.split_at(axis, cut);
        ((a, low), (a, high))
    } else {
        let (low, high) = a.split_at(axis, cut);
        ((low, b), (high, b))
    };
    join(|| halve(a_low, b_low, c_low, few), || halve(a_high, b_high, c_high, many));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    /// Noise that f32 does not hold exactly when summed.
    fn noise(count: usize, seed: u64) -> Vec<f32> {
        let stream = Stream::new(seed, 0, 0);
        (0..count as u32).map(|i| (2.0 * stream.uniform(i) - 1.0) as f32).collect()
    }

    #[test]
    fn a_product_has_the_same_bits_on_any_number_of_cores() {
        for [m, n, k] in [[64, 128, 128], [256, 1024, 784], [100, 300, 513], [10, 128, 64], [1, 200, 300], [300, 1, 90]] {
            let (a, b) = (noise(m * k, 1), noise(k * n, 2));
            for (sa, sb) in [([k, 1], [n, 1]), ([k, 1], [1, k]), ([1, m], [n, 1])] {
                let on = |cores: usize| {
                    let mut c = vec![f32::NAN; m * n];
                    halve(matrix(&a, [m, k], sa), matrix(&b, [k, n], sb), matrix_mut(&mut c, [m, n]), cores);
                    c
                };
                let alone = on(1);
                for cores in [2, 3, 4, 7] {
                    let equal = on(cores).iter().zip(&alone).all(|(x, y)| x.to_bits() == y.to_bits());
                    assert!(equal, "{m}×{n}×{k}, strides {sa:?} and {sb:?}, on {cores}");
                }
            }
        }
    }
}

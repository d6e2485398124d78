//! Solving with a symmetric matrix that may not be positive definite.

/// The factor `L` of `A + τI = L Lᵀ`, over `A`'s place.
pub(super) struct Factor {
    n: usize,
    values: Vec<f64>,
}

/// The part of the largest element that a first shift is.
const FIRST: f64 = 1e-8;
/// By how much a shift grows.
const GROWTH: f64 = 10.0;

impl Factor {
    /// Factors `A + τI` with the first τ of `0, τ₁, 10 τ₁, …` that makes it positive definite beyond rounding, where τ₁ is 1e-8 of
    /// `A`'s largest element, above `−min aᵢᵢ` where that is negative; and τ. `None` where `A` is not finite.
    pub(super) fn new(a: &[f64], n: usize) -> Option<(Self, f64)> {
        if !lower(a, n).all(f64::is_finite) {
            return None;
        }
        let diagonal = || (0..n).map(|i| a[i * n + i]);
        let scale = lower(a, n).fold(0.0, |m: f64, x| m.max(x.abs()));
        let least = diagonal().fold(f64::INFINITY, f64::min);
        let unit = if scale > 0.0 { FIRST * scale } else { 1.0 };
        let mut shift = if n == 0 || least > 0.0 { 0.0 } else { unit - least };
        let mut values = vec![0.0; n * n];
        loop {
            values.copy_from_slice(a);
            // A pivot that rounding could have made says nothing.
            let floor = n as f64 * f64::EPSILON * (scale + shift);
            if decompose(&mut values, n, shift, floor) {
                return Some((Self { n, values }, shift));
            }
            shift = (shift * GROWTH).max(unit);
            if !shift.is_finite() {
                return None;
            }
        }
    }

    /// `x` with `(A + τI) x = b`, over `b`'s place.
    pub(super) fn solve(&self, b: &mut [f64]) {
        let (n, l) = (self.n, &self.values);
        for i in 0..n {
            let known: f64 = (0..i).map(|k| l[i * n + k] * b[k]).sum();
            b[i] = (b[i] - known) / l[i * n + i];
        }
        for i in (0..n).rev() {
            b[i] /= l[i * n + i];
            for k in 0..i {
                b[k] -= l[i * n + k] * b[i];
            }
        }
    }
}

fn lower(a: &[f64], n: usize) -> impl Iterator<Item = f64> {
    (0..n).flat_map(move |i| a[i * n..=i * n + i].iter().copied())
}

/// Cholesky's factor in the lower triangle, row by row; `false` where a pivot is no larger than `floor`.
fn decompose(a: &mut [f64], n: usize, shift: f64, floor: f64) -> bool {
    for i in 0..n {
        let (above, rest) = a.split_at_mut(i * n);
        for j in 0..i {
            let (row, own) = (&above[j * n..j * n + j], &rest[..j]);
            let known: f64 = row.iter().zip(own).map(|(a, b)| a * b).sum();
            rest[j] = (rest[j] - known) / above[j * n + j];
        }
        let pivot = rest[i] + shift - rest[..i].iter().map(|x| x * x).sum::<f64>();
        if !(pivot > floor) {
            return false;
        }
        rest[i] = pivot.sqrt();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::Factor;

    /// Solves, multiplies back, and compares; returns τ.
    fn residual(a: &[f64], n: usize) -> f64 {
        let (factor, shift) = Factor::new(a, n).unwrap();
        let b: Vec<f64> = (0..n).map(|i| 1.0 + i as f64).collect();
        let mut x = b.clone();
        factor.solve(&mut x);
        for i in 0..n {
            let row = |k: usize| if k <= i { a[i * n + k] } else { a[k * n + i] };
            let product: f64 = (0..n).map(|k| row(k) * x[k]).sum::<f64>() + shift * x[i];
            let size: f64 = (0..n).map(|k| (row(k) * x[k]).abs()).sum::<f64>() + (shift * x[i]).abs();
            assert!((product - b[i]).abs() <= 8.0 * n as f64 * f64::EPSILON * (size + b[i].abs()), "{product} {b:?}");
        }
        shift
    }

    #[test]
    fn definite_matrices_are_not_shifted_and_others_are() {
        assert_eq!(residual(&[4.0, 9.0, 2.0, 3.0], 2), 0.0); // the upper triangle is not looked at
        assert_eq!(residual(&[], 0), 0.0);
        assert!(residual(&[1.0, 0.0, 2.0, 1.0], 2) > 1.0); // eigenvalues −1 and 3
        assert!(residual(&[-3.0], 1) > 3.0);
        assert!(residual(&[0.0, 0.0, 0.0, 0.0], 2) > 0.0);
        // Singular, rank 1: no pivot of rounding is taken for curvature.
        let shift = residual(&[1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0], 3);
        assert!(shift > 0.0 && shift < 1e-6, "{shift}");
        assert!(Factor::new(&[f64::NAN], 1).is_none());
        assert!(Factor::new(&[f64::INFINITY], 1).is_none());
    }
}

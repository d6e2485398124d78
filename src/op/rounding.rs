//! How far f32 arithmetic on a GPU may lie from the real numbers: what every [`bound`](crate::graph::Op::bound) is made of.
//!
//! The accuracies are those that the WGSL specification guarantees (§15.7.4 “Floating Point Accuracy”); the model of sums is
//! Higham, *Accuracy and Stability of Numerical Algorithms* (2nd ed. 2002), §3.1. A driver may fuse a multiplication with an
//! addition and sum in any order: both stay within these bounds.

use crate::scalar::Scalar;

/// The unit roundoff of f32, 2⁻²⁴: the relative error of one correctly rounded operation.
pub const EPSILON: f64 = f32::EPSILON as f64 / 2.0;

/// The smallest normal f32, 2⁻¹²⁶: a result below it may be flushed to 0, operands too.
pub const TINY: f64 = f32::MIN_POSITIVE as f64;

/// `γ_n = n ε / (1 − n ε)`: n roundings in a row, the relative error of a sum of n products in any order
/// (|Σ̂ − Σ| ≤ γ_n Σ|aᵢbᵢ|). Infinite from n = 2²⁴ on, where f32 promises nothing.
///
/// ```
/// use thalweg::op::rounding::{EPSILON, gamma};
/// assert_eq!(gamma(0), 0.0);
/// assert!(gamma(1) > EPSILON && gamma(1) < 1.0000001 * EPSILON);
/// assert_eq!(gamma(1 << 24), f64::INFINITY);
/// ```
pub fn gamma(n: usize) -> f64 {
    let x = n as f64 * EPSILON;
    if x < 1.0 { x / (1.0 - x) } else { f64::INFINITY }
}

/// Σ of the terms, in runs of 256, then runs of 256 of those sums, then theirs: as fast as one by one, and in f32 as good as
/// the kernels' trees (Higham 2002, §4.2).
///
/// ```
/// use thalweg::op::rounding::sum;
/// assert_eq!(sum([0.5; 100]), 50.0);
/// // One by one, ones beyond 2²⁴ are lost.
/// assert_eq!(sum(std::iter::repeat_n(1.0f32, (1 << 24) + 256)), (1 << 24) as f32 + 256.0);
/// ```
pub fn sum<T: Scalar>(terms: impl IntoIterator<Item = T>) -> T {
    let (mut total, mut outer, mut inner) = (T::zero(), T::zero(), T::zero());
    for (i, term) in (1usize..).zip(terms) {
        inner += term;
        if i % 256 == 0 {
            outer += inner;
            inner = T::zero();
            if i % 65_536 == 0 {
                total += outer;
                outer = T::zero();
            }
        }
    }
    total + (outer + inner)
}

/// [`sum`] of terms that lie side by side: its runs of 256 go through 16 partial sums each, which is vector code. Not its
/// bits, but no term goes through more additions.
pub fn sum_slice<T: Scalar>(terms: &[T]) -> T {
    const LANES: usize = 16;
    sum(terms.chunks(256).map(|run| {
        let mut lanes = [T::zero(); LANES];
        let chunks = run.chunks_exact(LANES);
        let rest = chunks.remainder();
        for chunk in chunks {
            lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane += x);
        }
        lanes.iter_mut().zip(rest).for_each(|(lane, &x)| *lane += x);
        lanes.into_iter().fold(T::zero(), |total, lane| total + lane)
    }))
}

/// The most additions that a term goes through in [`sum`] of `n`.
pub fn sum_depth(n: usize) -> usize {
    n.min(256 + (n / 256).min(256) + n / 65_536 + 2)
}

/// The error of one correctly rounded operation whose result is `y`, flushing included.
pub fn round(y: f64) -> f64 {
    EPSILON * y.abs() + TINY
}

/// `n` ULP of a result `y`, flushing included. One ULP of y is at most 2⁻²³|y|.
pub fn ulps(n: f64, y: f64) -> f64 {
    2.0 * EPSILON * n * y.abs() + TINY
}

/// The relative error of WGSL's `exp(x)`: `3 + 2|x|` ULP.
pub fn exp(x: f64) -> f64 {
    2.0 * EPSILON * (3.0 + 2.0 * x.abs())
}

/// The relative error of WGSL's division: 2.5 ULP.
pub const DIVIDE: f64 = 5.0 * EPSILON;

/// The relative error of WGSL's `inverseSqrt`: 2 ULP.
pub const INVERSE_SQRT: f64 = 4.0 * EPSILON;

/// The relative error of WGSL's `sqrt`, inherited from `1 / inverseSqrt(x)`: 2 ULP and a division.
pub const SQRT: f64 = 1.000_001 * (INVERSE_SQRT + DIVIDE);

/// The error of WGSL's `log(x)`, given `y = ln x`: 2⁻²¹ absolute for x in [½, 2], 3 ULP outside.
pub fn log(y: f64) -> f64 {
    if y.abs() <= std::f64::consts::LN_2 { (-21f64).exp2() } else { ulps(3.0, y) }
}

/// The error of something bilinear, each of whose elements is one sum of `k` products, summed in any order, of operands
/// known to within `errors` (Higham 2002, §3.1). `sum` computes it from any two operands:
///
/// ```text
/// |ŷ − y| ≤ |a|·e_b + e_a·(|b| + e_b) + γ_{k+1} (|a| + e_a)·(|b| + e_b)
/// ```
pub fn bilinear(
    k: usize,
    values: [&[f64]; 2],
    errors: [&[f64]; 2],
    error: &mut [f64],
    sum: impl Fn(&[f64], &[f64], &mut [f64]),
) {
    let size = |x: &[f64]| x.iter().map(|v| v.abs()).collect::<Vec<f64>>();
    let most = |x: &[f64], e: &[f64]| x.iter().zip(e).map(|(v, e)| v.abs() + e).collect::<Vec<f64>>();
    let [a, b] = [most(values[0], errors[0]), most(values[1], errors[1])];
    let mut part = vec![0.0; error.len()];
    sum(&a, &b, error);
    for e in error.iter_mut() {
        *e = gamma(k + 1) * *e + 2.0 * (k + 1) as f64 * TINY;
    }
    if errors[0].iter().any(|&e| e != 0.0) {
        sum(errors[0], &b, &mut part);
        error.iter_mut().zip(&part).for_each(|(e, p)| *e += p);
    }
    if errors[1].iter().any(|&e| e != 0.0) {
        sum(&size(values[0]), errors[1], &mut part);
        error.iter_mut().zip(&part).for_each(|(e, p)| *e += p);
    }
}

//! Running error analysis: a number and how far an f32 one may lie from it, carried through a formula.

use crate::op::rounding::{EPSILON, INVERSE_SQRT, TINY, gamma};

/// A value and the most by which the f32 one may differ (Higham 2002, §3.3).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Near {
    pub value: f64,
    pub error: f64,
}

impl Near {
    pub fn new(value: f64, error: f64) -> Self {
        Self { value, error }
    }

    /// The largest size it may have.
    pub fn most(self) -> f64 {
        self.value.abs() + self.error
    }

    /// A constant that is rounded to f32.
    pub fn constant(value: f64) -> Self {
        Self::new(value, EPSILON * value.abs() + TINY)
    }

    pub fn negated(self) -> Self {
        Self::new(-self.value, self.error)
    }

    pub fn times(self, other: Self) -> Self {
        let value = self.value * other.value;
        let arrived = self.error * other.most() + self.value.abs() * other.error;
        let flushed = TINY * (1.0 + self.most() + other.most());
        Self::new(value, arrived + EPSILON * (value.abs() + arrived) + flushed)
    }

    /// Added up in any order.
    pub fn sum<const N: usize>(terms: [Self; N]) -> Self {
        let arrived: f64 = terms.iter().map(|t| t.error).sum();
        let sizes: f64 = terms.iter().map(|t| t.most()).sum();
        Self::new(terms.iter().map(|t| t.value).sum(), arrived + gamma(N - 1) * sizes + N as f64 * TINY)
    }

    /// `1 / √(self + epsilon)` of a variance. One is not negative, in f32 neither: that bounds the result where an error
    /// as large as the variance would not.
    pub fn rstd(self, epsilon: f64) -> Self {
        let value = 1.0 / (self.value + epsilon).sqrt();
        let sum = |variance: f64, sign: f64| (variance + epsilon * (1.0 + sign * EPSILON)) * (1.0 + sign * EPSILON);
        let least = sum((self.value - self.error).max(0.0), -1.0) - TINY;
        if !(least > 0.0) {
            return Self::new(value, f64::INFINITY);
        }
        let (most, fewest) = (1.0 / least.sqrt(), 1.0 / (sum(self.value + self.error, 1.0) + TINY).sqrt());
        Self::new(value, (most - value).max(value - fewest) + INVERSE_SQRT * most + TINY)
    }
}

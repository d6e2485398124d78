//! The numbers a twin is generic over: `f64` proves, `f32` trains on the CPU.

use std::ops::{Add, Div, Mul, Neg, Sub};

use ndarray::NdFloat;

/// `f32` or `f64`. A twin is written once for both.
///
/// Arithmetic and `exp`, `ln`, `tanh`, … come with [`NdFloat`].
pub trait Scalar: NdFloat + bytemuck::Pod + Default + std::iter::Sum {
    /// Rounds a constant of a formula to this type.
    fn of(x: f64) -> Self;
    /// Widens, exactly.
    fn f64(self) -> f64;
    /// The error function, `2/√π ∫₀ˣ e^(−t²) dt`.
    fn erf(self) -> Self;
}

/// What an update rule computes with: `f32`, `f64`, or a number that carries its error along.
///
/// Apart from [`Scalar`], so that a rule's formula can be run in an arithmetic of one's own.
pub trait Number:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// Rounds a constant of a formula to this type.
    fn of(x: f64) -> Self;
    /// The root.
    fn sqrt(self) -> Self;
    /// The size.
    fn abs(self) -> Self;
    /// The larger one; `self` where `other` is NaN, and the other way round.
    fn max(self, other: Self) -> Self;
    /// −1, 0 or 1, as WGSL's `sign`.
    fn sign(self) -> Self;
}

macro_rules! number {
    ($($float:ty),*) => {$(
        impl Number for $float {
            fn of(x: f64) -> Self {
                x as Self
            }
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            fn abs(self) -> Self {
                self.abs()
            }
            fn max(self, other: Self) -> Self {
                self.max(other)
            }
            fn sign(self) -> Self {
                if self == 0.0 { self } else { self.signum() }
            }
        }
    )*};
}
number!(f32, f64);

impl Scalar for f64 {
    fn of(x: f64) -> Self {
        x
    }
    fn f64(self) -> f64 {
        self
    }
    fn erf(self) -> Self {
        libm::erf(self)
    }
}

impl Scalar for f32 {
    fn of(x: f64) -> Self {
        x as f32
    }
    fn f64(self) -> f64 {
        f64::from(self)
    }
    fn erf(self) -> Self {
        libm::erff(self)
    }
}

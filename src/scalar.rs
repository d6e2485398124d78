//! The numbers a twin is generic over: `f64` proves, `f32` trains on the CPU.

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

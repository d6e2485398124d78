//! Functions that know their Hessian.

/// A function of `f64`s in memory with gradient and Hessian: what [`Newton`](super::Newton) minimises.
pub trait Curved {
    /// What can go wrong in evaluating.
    type Error;

    /// The function at `x`; its gradient is put into `gradient`.
    ///
    /// # Errors
    ///
    /// What keeps it from being evaluated.
    fn evaluate(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64, Self::Error>;

    /// The Hessian at `x`, row by row; only its lower triangle is looked at.
    ///
    /// # Errors
    ///
    /// What keeps it from being evaluated.
    fn hessian(&mut self, x: &[f64], hessian: &mut [f64]) -> Result<(), Self::Error>;
}

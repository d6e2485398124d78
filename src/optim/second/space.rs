//! Vectors that live somewhere, and a function of them.

use super::Pair;

/// Sizes of a vector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norms {
    /// `max |xᵢ|`, 0 of an empty vector; of the finite numbers alone.
    pub largest: f64,
    /// `Σ |xᵢ|`, of the finite numbers alone.
    pub sum: f64,
    /// Whether all numbers are finite.
    pub finite: bool,
}

/// A function of one vector and the arithmetic of such vectors, wherever they live: in memory ([`Host`](super::Host)) or on a
/// device.
///
/// Reductions come back as f64. Everything else may be queued, so that little waits.
pub trait Space {
    /// A vector.
    type Vector;
    /// What can go wrong in evaluating or on the device.
    type Error;

    /// By what part of itself a value may be off through rounding: a smaller fall says nothing. Eight roundings of f64 unless
    /// said otherwise.
    fn rounding(&self) -> f64 {
        8.0 * f64::EPSILON
    }

    /// A new vector; what it holds is not said.
    ///
    /// # Errors
    ///
    /// No memory, a lost device.
    fn vector(&mut self) -> Result<Self::Vector, Self::Error>;

    /// The function at `x`; its gradient is put into `gradient`. Either may be infinite or no number.
    ///
    /// # Errors
    ///
    /// What keeps it from being evaluated.
    fn evaluate(&mut self, x: &Self::Vector, gradient: &mut Self::Vector) -> Result<f64, Self::Error>;

    /// `to ← x`
    ///
    /// # Errors
    ///
    /// A lost device.
    fn copy(&mut self, x: &Self::Vector, to: &mut Self::Vector) -> Result<(), Self::Error>;

    /// `to ← a x`
    ///
    /// # Errors
    ///
    /// A lost device.
    fn scaled(&mut self, a: f64, x: &Self::Vector, to: &mut Self::Vector) -> Result<(), Self::Error>;

    /// `to ← x + a y`
    ///
    /// # Errors
    ///
    /// A lost device.
    fn sum(&mut self, x: &Self::Vector, a: f64, y: &Self::Vector, to: &mut Self::Vector) -> Result<(), Self::Error>;

    /// `to ← to + a x`
    ///
    /// # Errors
    ///
    /// A lost device.
    fn add(&mut self, a: f64, x: &Self::Vector, to: &mut Self::Vector) -> Result<(), Self::Error>;

    /// `⟨a, b⟩` of each pair.
    ///
    /// # Errors
    ///
    /// A lost device.
    fn dots<const N: usize>(&mut self, pairs: [(&Self::Vector, &Self::Vector); N]) -> Result<[f64; N], Self::Error>;

    /// Sizes of a vector.
    ///
    /// # Errors
    ///
    /// A lost device.
    fn norms(&mut self, x: &Self::Vector) -> Result<Norms, Self::Error>;

    /// `to ← −H g` with the inverse Hessian `H` that the pairs, oldest first, and the scale `γ` stand for: Nocedal's two loops.
    ///
    /// ```text
    /// q = −g;  for i newest … oldest: αᵢ = ρᵢ ⟨sᵢ, q⟩, q ← q − αᵢ yᵢ
    /// r = γ q; for i oldest … newest: r ← r + (αᵢ − ρᵢ ⟨yᵢ, r⟩) sᵢ
    /// ```
    ///
    /// # Errors
    ///
    /// A lost device.
    fn direction(
        &mut self,
        pairs: &[Pair<Self::Vector>],
        scale: f64,
        g: &Self::Vector,
        to: &mut Self::Vector,
    ) -> Result<(), Self::Error>;
}

//! Vectors as long as the parameters, on a device: what a second-order optimizer computes with.

use super::engine::Tensor;
use crate::error::DeviceError;
use crate::optim::second::Norms;

/// A vector on an engine, of the first member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VectorId {
    /// The parameters themselves.
    Parameters,
    /// The rule's n-th state.
    State(usize),
    /// One of [`Vectors::vector`].
    Own(usize),
}

/// The arithmetic of such vectors. Numbers are rounded to the device's floats; reductions have one order, and their last sum is in f64
/// on the host. Nothing waits but [`dots`](Self::dots), [`norms`](Self::norms) and [`vector_values`](Self::vector_values).
pub trait Vectors {
    /// A new vector of zeros, beside those there are.
    ///
    /// # Errors
    ///
    /// Out of memory.
    fn vector(&mut self) -> Result<VectorId, DeviceError>;

    /// `to ← c·to + a·x`; with c = 0 whatever `to` held is forgotten. `x` is another vector than `to`.
    ///
    /// # Errors
    ///
    /// A vector of another engine, a vector twice, a lost device.
    fn blend(&mut self, c: f64, to: VectorId, a: f64, x: VectorId) -> Result<(), DeviceError>;

    /// `⟨x, y⟩` of each pair.
    ///
    /// # Errors
    ///
    /// A vector of another engine, a lost device.
    fn dots(&mut self, pairs: &[(VectorId, VectorId)]) -> Result<Vec<f64>, DeviceError>;

    /// Sizes of a vector.
    ///
    /// # Errors
    ///
    /// A vector of another engine, a lost device.
    fn norms(&mut self, x: VectorId) -> Result<Norms, DeviceError>;

    /// Nocedal's two loops, [`Space::direction`](crate::optim::second::Space::direction), over pairs `(s, y, ρ)`, oldest first.
    ///
    /// # Errors
    ///
    /// A vector of another engine, a lost device.
    fn direction(
        &mut self,
        pairs: &[(VectorId, VectorId, f64)],
        scale: f64,
        g: VectorId,
        to: VectorId,
    ) -> Result<(), DeviceError>;

    /// A vector's values by tensor; exact.
    ///
    /// # Errors
    ///
    /// A vector of another engine, a lost device.
    fn vector_values(&mut self, x: VectorId) -> Result<Vec<Vec<f64>>, DeviceError>;

    /// Replaces a vector's values.
    ///
    /// # Errors
    ///
    /// A vector of another engine, values that do not fit the tensors, a lost device.
    fn set_vector(&mut self, x: VectorId, values: &[Vec<f64>]) -> Result<(), DeviceError>;
}

/// Refuses a vector that an engine with `states` states and `own` vectors does not have.
pub(super) fn check(id: VectorId, states: usize, own: usize) -> Result<(), DeviceError> {
    let (known, found) = match id {
        VectorId::Parameters => return Ok(()),
        VectorId::State(n) => (states, n),
        VectorId::Own(n) => (own, n),
    };
    if found < known {
        return Ok(());
    }
    let expected = format!("one of this engine's (a number below {known})");
    Err(DeviceError::Feed { name: "vector".into(), expected, found: format!("{id:?}") })
}

/// Refuses a vector that would be read while it is written.
pub(super) fn check_apart(to: VectorId, x: VectorId) -> Result<(), DeviceError> {
    if to != x {
        return Ok(());
    }
    let expected = "another vector than the one that changes".into();
    Err(DeviceError::Feed { name: "vector".into(), expected, found: format!("{x:?} as both") })
}

pub(super) fn check_fit(tensors: &[Tensor], values: &[Vec<f64>]) -> Result<(), DeviceError> {
    super::engine::check_values("vector", tensors, values)
}

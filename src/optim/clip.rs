//! Clipping of gradients.

use super::fields::positive_f32;
use crate::error::OptimError;

/// How gradients are cut before the rule sees them. A NaN is not cut, and is reported as ever; nor is a gradient whose norm is
/// not finite made 0: it becomes NaN.
///
/// ```text
/// value        g ← max(−c, min(g, c))
/// norm         g ← g · c/(‖g‖ + ε)   where ‖g‖ + ε > c,  ‖g‖ of all tensors together
/// tensor_norm  the same for each tensor by its own norm
/// ```
///
/// PyTorch's `clip_grad_value_`, `clip_grad_norm_` (ε = 1e-6) and, tensor by tensor, Keras's `clipnorm` (ε = 0); Keras's
/// `global_clipnorm` and Optax's `clip_by_global_norm` are `norm` with ε = 0.
///
/// # Examples
///
/// ```
/// use thalweg::optim::Clip;
///
/// let clip = Clip::Norm { maximum: 1.0, epsilon: 0.0 };
/// assert_eq!(clip.factor(25.0), 0.2); // ‖g‖ = 5
/// assert_eq!(clip.factor(0.25), 1.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clip {
    /// Each element.
    Value(f64),
    /// All tensors by their common norm.
    Norm {
        /// c
        maximum: f64,
        /// ε
        epsilon: f64,
    },
    /// Each tensor by its own norm.
    TensorNorm {
        /// c
        maximum: f64,
        /// ε
        epsilon: f64,
    },
}

impl Clip {
    /// c.
    pub fn maximum(&self) -> f64 {
        match *self {
            Self::Value(maximum) | Self::Norm { maximum, .. } | Self::TensorNorm { maximum, .. } => maximum,
        }
    }

    /// ε; 0 for clipping by value.
    pub fn epsilon(&self) -> f64 {
        match *self {
            Self::Value(_) => 0.0,
            Self::Norm { epsilon, .. } | Self::TensorNorm { epsilon, .. } => epsilon,
        }
    }

    /// What a gradient of that squared norm is multiplied by.
    pub fn factor(&self, squared: f64) -> f64 {
        if matches!(self, Self::Value(_)) {
            return 1.0;
        }
        if !squared.is_finite() {
            return f64::NAN;
        }
        let norm = squared.sqrt() + self.epsilon();
        if norm > self.maximum() { self.maximum() / norm } else { 1.0 }
    }

    /// # Errors
    ///
    /// [`OptimError::Range`] for a bound that is no positive normal number of f32, or an ε below 0.
    pub fn validate(&self) -> Result<(), OptimError> {
        let field = match self {
            Self::Value(_) => "value",
            Self::Norm { .. } => "norm",
            Self::TensorNorm { .. } => "tensor_norm",
        };
        let range = |field, range, found, inside| {
            if inside { Ok(()) } else { Err(OptimError::Range { owner: "clip".into(), field, range, found }) }
        };
        let (maximum, epsilon) = (self.maximum(), self.epsilon());
        range(field, super::fields::POSITIVE_F32, maximum, positive_f32(maximum))?;
        range("epsilon", "at least 0 and finite in f32", epsilon, epsilon >= 0.0 && (epsilon as f32).is_finite())
    }
}

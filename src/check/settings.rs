//! What a gradient check may be told.

use crate::error::GraphError;

/// How gradients are checked. The defaults suit small and middling networks; the check takes well under a second for them.
///
/// ```
/// use thalweg::check::GradientCheck;
/// let careful = GradientCheck { dimensions: 100, sweep: true, ..GradientCheck::default() };
/// assert_eq!((careful.rows, careful.step), (3, 1e-5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct GradientCheck {
    /// Examples in the batch, at least 1; default 3. Few examples have few kinks to cross. All of the data where there are fewer.
    pub rows: usize,
    /// h of `(f(x+h) − f(x−h)) / 2h`, times `max(1, |x|)`; above 0, default 1e-5. Smaller is not better: rounding of f grows as 1/h.
    pub step: f64,
    /// Dimensions sampled from *every* tensor, so that a bias is never missed among weights; all where there are fewer. Default 20.
    /// The one with the largest gradient is always among them.
    pub dimensions: usize,
    /// Chooses the initial weights, the examples, the dimensions and the dropout masks; default 0.
    pub seed: u64,
    /// Whether to measure the error over steps from 1e-1 to 1e-10 as well; default false.
    pub sweep: bool,
    /// Most steps trained between the check at the initial weights and the check at a characteristic point; it ends sooner
    /// when the loss has halved. 0: initial weights alone. Default 200.
    pub burn_in: u32,
    /// Factor on the loss, finite and not 0; default 1. Raise it where the report says that gradients are too small to compare.
    pub scale: f64,
}

impl Default for GradientCheck {
    fn default() -> Self {
        Self { rows: 3, step: 1e-5, dimensions: 20, seed: 0, sweep: false, burn_in: 200, scale: 1.0 }
    }
}

impl GradientCheck {
    pub(super) fn validate(&self) -> Result<(), GraphError> {
        let refuse = |field, range, found| Err(GraphError::Range { op: "gradcheck", field, range, found });
        if !(self.step > 0.0 && self.step.is_finite()) {
            return refuse("step", "finite and above 0", self.step.to_string());
        }
        if !(self.scale.is_finite() && self.scale != 0.0) {
            return refuse("scale", "finite and not 0", self.scale.to_string());
        }
        if self.rows == 0 {
            return refuse("rows", "at least 1", "0".into());
        }
        if self.dimensions == 0 {
            return refuse("dimensions", "at least 1", "0".into());
        }
        Ok(())
    }
}

//! Adam.

use super::fields::{self, Configurable, Field};
use super::{Convention, Hyper, Rule};
use crate::error::OptimError;
use crate::kernel::wgsl;
use crate::scalar::Number;

/// Adam: the running mean of the gradient divided by the root of its running mean square, both corrected for their start.
///
/// # Formula
///
/// At step `t = 1, 2, …`:
///
/// ```text
/// g ← g + λ p                                  (pytorch)
/// m ← β₁ m + (1 − β₁) g                        starts at 0
/// v ← β₂ v + (1 − β₂) g²                       starts at 0
/// p ← p − η m̂ / (√v̂ + ε)                       m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ)
/// ```
///
/// ε stands outside the root and after the correction in both conventions; Keras and the paper's shorter form leave v
/// uncorrected there, which is another ε. CS231n's uncorrected form is `bias_correction = false`.
///
/// # On the GPU
///
/// `shaders/optim/adam.wgsl`, one pass, two states: 28 bytes a parameter. `η / (1 − β₁ᵗ)` and `1 / √(1 − β₂ᵗ)` come
/// from the host.
///
/// # Source
///
/// Kingma & Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015, arXiv 1412.6980, algorithm 1.
///
/// # Examples
///
/// The first step moves every parameter by η against the sign of its gradient, however large that is:
///
/// ```
/// use thalweg::optim::{Adam, DynRule};
///
/// let rule = Adam::default();
/// let (mut p, mut m, mut v) = ([1.0, 1.0], [0.0; 2], [0.0; 2]);
/// rule.update_f64(&rule.hyper(1, 0.1), &[250.0, -0.003], &mut p, &mut [&mut m, &mut v]);
/// assert!((p[0] - 0.9_f64).abs() < 1e-6 && (p[1] - 1.1).abs() < 1e-6);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Whose arithmetic and defaults. Default `PyTorch`.
    pub convention: Convention,
    /// η, about the length of a step. Positive. Default 1e-3.
    pub learning_rate: f64,
    /// β₁, the decay of the mean. In `[0, 1)`. Default 0.9.
    pub beta1: f64,
    /// β₂, the decay of the mean square. In `[0, 1)`. Default 0.999.
    pub beta2: f64,
    /// ε, in units of the gradient. Positive. Default 1e-8.
    pub epsilon: f64,
    /// Whether m and v are corrected for starting at 0. Default on; `Cs231n` only can switch it off.
    pub bias_correction: bool,
    /// λ, added to the gradient as `λp`; see [`AdamW`](super::AdamW) for the decoupled one. Not negative. Default 0;
    /// `PyTorch` only.
    pub weight_decay: f64,
}

impl Configurable for Adam {
    const NAME: &'static str = "adam";
    const CONVENTIONS: &'static [Convention] = &[Convention::Cs231n, Convention::PyTorch];

    fn defaults(convention: Convention) -> Self {
        let (learning_rate, beta1, beta2, epsilon) = (1e-3, 0.9, 0.999, 1e-8);
        Self { convention, learning_rate, beta1, beta2, epsilon, bias_correction: true, weight_decay: 0.0 }
    }

    fn fields(&mut self) -> Vec<Field<'_>> {
        vec![
            Field::number("learning_rate", &mut self.learning_rate),
            Field::number("beta1", &mut self.beta1),
            Field::number("beta2", &mut self.beta2),
            Field::number("epsilon", &mut self.epsilon),
            Field::flag("bias_correction", &mut self.bias_correction).only(&[Convention::Cs231n]),
            Field::number("weight_decay", &mut self.weight_decay).only(&[Convention::PyTorch]),
        ]
    }
}

/// 1 − βᵗ.
pub(super) fn correction(beta: f64, step: u64) -> f64 {
    1.0 - beta.powf(step as f64)
}

impl Rule for Adam {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn convention(&self) -> Convention {
        self.convention
    }

    fn validate(&self) -> Result<(), OptimError> {
        fields::validate(self)
    }

    fn validate_f32(&self) -> Result<(), OptimError> {
        fields::validate_f32(self)
    }

    fn with(&self, field: &str, value: f64) -> Result<Self, OptimError> {
        fields::with(self, field, value)
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn states(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_avg_sq"]
    }

    fn hyper(&self, step: u64, learning_rate: f64) -> Hyper {
        let &Self { beta1, beta2, epsilon, weight_decay, .. } = self;
        let (c1, c2) = match self.bias_correction {
            true => (correction(beta1, step), correction(beta2, step)),
            false => (1.0, 1.0),
        };
        super::rule::hyper([learning_rate / c1, 1.0 / c2.sqrt(), beta1, 1.0 - beta1, beta2, 1.0 - beta2, epsilon, weight_decay])
    }

    #[inline]
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, [m, v, x]: [T; 3]) -> (T, [T; 3]) {
        let &[rate, root, beta1, rest1, beta2, rest2, epsilon, decay, ..] = h;
        let g = g + decay * p;
        let m = beta1 * m + rest1 * g;
        let v = beta2 * v + rest2 * g * g;
        (p - rate * m / (v.sqrt() * root + epsilon), [m, v, x])
    }

    fn source(&self) -> &'static str {
        wgsl!("optim/adam")
    }
}

impl Default for Adam {
    fn default() -> Self {
        Self::defaults(Convention::PyTorch)
    }
}

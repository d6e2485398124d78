//! Lion.

use super::fields::{self, Configurable, Field};
use super::{Convention, Hyper, Rule};
use crate::kernel::wgsl;
use crate::scalar::Number;

/// Lion: the sign of a mean of the gradient, so that every parameter moves by η at every step.
///
/// # Formula
///
/// ```text
/// p ← p − η (sign(β₁ m + (1 − β₁) g) + λ p)    sign(0) = 0
/// m ← β₂ m + (1 − β₂) g                        starts at 0
/// ```
///
/// The conventions differ in their defaults alone. Steps are longer than Adam's, so η is usually 3 to 10 times smaller than there,
/// and λ as much larger. Near the sign's edge the last bit of a gradient decides a step of 2η: two devices, or two orders of
/// summation, may part there. PyTorch has no Lion.
///
/// | | η | λ |
/// |---|---|---|
/// | `paper` | 1e-4, its authors' code | 0 |
/// | `keras` | 1e-3 | 0 |
/// | `optax` | 1e-3 (it has none) | 1e-3 |
///
/// # On the GPU
///
/// `shaders/optim/lion.wgsl`, one pass, one state: 20 bytes a parameter.
///
/// # Source
///
/// Chen et al., *Symbolic Discovery of Optimization Algorithms*, NeurIPS 2023, arXiv 2302.06675, algorithm 2.
///
/// # Examples
///
/// ```
/// use thalweg::optim::{DynRule, Lion};
///
/// let rule = Lion { weight_decay: 0.5, ..Lion::default() };
/// let (mut p, mut m) = ([2.0, 2.0, 2.0], [0.0; 3]);
/// rule.update_f64(&rule.hyper(1, 0.25), &[1e-9, -40.0, 0.0], &mut p, &mut [&mut m]);
/// assert_eq!(p, [1.5, 2.0, 1.75]); // 2 − ¼·½·2 = 1.75, less or more ¼, or neither
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lion {
    /// Whose defaults. Default `Optax`.
    pub convention: Convention,
    /// η, the length of a step. Positive. Default 1e-3 (`Paper`: 1e-4).
    pub learning_rate: f64,
    /// β₁, the mean's share in the sign. In `[0, 1)`. Default 0.9.
    pub beta1: f64,
    /// β₂, the decay of the mean. In `[0, 1)`. Default 0.99.
    pub beta2: f64,
    /// λ, the part of p removed a step for each unit of η. Not negative. Default 1e-3 (`Keras`, `Paper`: 0).
    pub weight_decay: f64,
}

impl Configurable for Lion {
    const NAME: &'static str = "lion";
    const CONVENTIONS: &'static [Convention] = &[Convention::Paper, Convention::Keras, Convention::Optax];

    fn defaults(convention: Convention) -> Self {
        let (learning_rate, weight_decay) = match convention {
            Convention::Paper => (1e-4, 0.0),
            Convention::Keras => (1e-3, 0.0),
            _ => (1e-3, 1e-3),
        };
        Self { convention, learning_rate, beta1: 0.9, beta2: 0.99, weight_decay }
    }

    fn fields(&mut self) -> Vec<Field<'_>> {
        vec![
            Field::number("learning_rate", &mut self.learning_rate),
            Field::number("beta1", &mut self.beta1),
            Field::number("beta2", &mut self.beta2),
            Field::number("weight_decay", &mut self.weight_decay),
        ]
    }
}

impl Rule for Lion {
    fields::configured!();

    fn states(&self) -> &'static [&'static str] {
        &["exp_avg"]
    }

    fn hyper(&self, _: u64, learning_rate: f64) -> Hyper {
        let &Self { beta1, beta2, weight_decay, .. } = self;
        super::rule::hyper([learning_rate, beta1, 1.0 - beta1, beta2, 1.0 - beta2, learning_rate * weight_decay])
    }

    #[inline]
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, [m, x, y]: [T; 3]) -> (T, [T; 3]) {
        let &[rate, beta1, rest1, beta2, rest2, decay, ..] = h;
        let c = beta1 * m + rest1 * g;
        let m = beta2 * m + rest2 * g;
        (p - decay * p - rate * c.sign(), [m, x, y])
    }

    fn source(&self) -> &'static str {
        wgsl!("optim/lion")
    }
}

impl Default for Lion {
    fn default() -> Self {
        Self::defaults(Convention::Optax)
    }
}

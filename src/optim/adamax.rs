//! Adamax.

use super::adam::correction;
use super::fields::{self, Configurable, Field};
use super::{Convention, Hyper, Rule};
use crate::kernel::wgsl;
use crate::scalar::Number;

/// Adamax: Adam with the largest recent gradient in place of the root mean square.
///
/// # Formula
///
/// At step `t = 1, 2, …`:
///
/// ```text
/// g ← g + λ p                                  (pytorch)
/// m ← β₁ m + (1 − β₁) g                        starts at 0
/// u ← max(β₂ u, |g| + ε)                       starts at 0; ε here in pytorch and optax
/// p ← p − η λ p                                (keras, optax)
/// p ← p − η m̂ / (u + ε)                        m̂ = m / (1 − β₁ᵗ); ε here in keras
/// ```
///
/// u needs no correction for its start. The paper has no ε; here u is at least 1e-30 there, so that its
/// 0/0 where every gradient was 0 is 0. Optax's weight
/// decay is `optax.adamaxw`'s.
///
/// | | η | ε | λ |
/// |---|---|---|---|
/// | `paper` | 2e-3 | – | – |
/// | `keras` | 1e-3 | 1e-7 | 0 |
/// | `optax` | 1e-3 (it has none) | 1e-8 | 0 |
/// | `pytorch` | 2e-3 | 1e-8 | 0 |
///
/// # On the GPU
///
/// `shaders/optim/adamax.wgsl`, one pass, two states: 28 bytes a parameter. `η / (1 − β₁ᵗ)` comes from the host.
///
/// # Source
///
/// Kingma & Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015, arXiv 1412.6980, algorithm 2.
///
/// # Examples
///
/// One large gradient holds later steps back until β₂ has worn it down:
///
/// ```
/// use thalweg::optim::{Adamax, DynRule};
///
/// let rule = Adamax { beta1: 0.0, beta2: 0.5, ..Adamax::default() };
/// let (mut p, mut m, mut u) = ([0.0], [0.0], [0.0]);
/// for (t, g) in [(1, 8.0), (2, 1.0), (3, 1.0)] {
///     rule.update_f64(&rule.hyper(t, 1.0), &[g], &mut p, &mut [&mut m, &mut u]);
/// }
/// assert!((p[0] + 1.75_f64).abs() < 1e-8); // 8/8 + 1/4 + 1/2
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adamax {
    /// Whose arithmetic and defaults. Default `PyTorch`.
    pub convention: Convention,
    /// η, about the length of a step. Positive. Default 2e-3 (`Keras`, `Optax`: 1e-3).
    pub learning_rate: f64,
    /// β₁, the decay of the mean. In `[0, 1)`. Default 0.9.
    pub beta1: f64,
    /// β₂, the decay of the largest size. In `[0, 1)`. Default 0.999.
    pub beta2: f64,
    /// ε, in units of the gradient. Positive. Default 1e-8 (`Keras`: 1e-7); `Paper` has none.
    pub epsilon: f64,
    /// λ: coupled in `PyTorch`, decoupled in `Keras` and `Optax`. Not negative. Default 0; `Paper` has none.
    pub weight_decay: f64,
}

/// u at least, in the paper's convention: nothing beside a gradient, and much above what f32 loses to underflow.
const LEAST: f64 = 1e-30;

const LIBRARIES: &[Convention] = &[Convention::Keras, Convention::Optax, Convention::PyTorch];

impl Configurable for Adamax {
    const NAME: &'static str = "adamax";
    const CONVENTIONS: &'static [Convention] =
        &[Convention::Paper, Convention::Keras, Convention::Optax, Convention::PyTorch];

    fn defaults(convention: Convention) -> Self {
        let (learning_rate, epsilon) = match convention {
            Convention::Keras => (1e-3, 1e-7),
            Convention::Optax => (1e-3, 1e-8),
            Convention::Paper => (2e-3, 0.0),
            _ => (2e-3, 1e-8),
        };
        Self { convention, learning_rate, beta1: 0.9, beta2: 0.999, epsilon, weight_decay: 0.0 }
    }

    fn fields(&mut self) -> Vec<Field<'_>> {
        vec![
            Field::number("learning_rate", &mut self.learning_rate),
            Field::number("beta1", &mut self.beta1),
            Field::number("beta2", &mut self.beta2),
            Field::number("epsilon", &mut self.epsilon).only(LIBRARIES),
            Field::number("weight_decay", &mut self.weight_decay).only(LIBRARIES),
        ]
    }
}

impl Rule for Adamax {
    fields::configured!();

    fn states(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_inf"]
    }

    fn hyper(&self, step: u64, learning_rate: f64) -> Hyper {
        let &Self { convention, beta1, beta2, epsilon, weight_decay, .. } = self;
        let rate = learning_rate / correction(beta1, step);
        let [inside, outside, least] = match convention {
            Convention::Paper => [0.0, 0.0, LEAST],
            Convention::Keras => [0.0, epsilon, 0.0],
            _ => [epsilon, 0.0, 0.0],
        };
        let (coupled, decoupled) = match convention {
            Convention::PyTorch => (weight_decay, 0.0),
            _ => (0.0, learning_rate * weight_decay),
        };
        super::rule::hyper([rate, beta1, 1.0 - beta1, beta2, inside, outside, least, coupled, decoupled])
    }

    #[inline]
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, [m, u, x]: [T; 3]) -> (T, [T; 3]) {
        let &[rate, beta1, rest1, beta2, inside, outside, least, coupled, decoupled, ..] = h;
        let g = g + coupled * p;
        let m = beta1 * m + rest1 * g;
        let u = (beta2 * u).max(g.abs() + inside);
        let below = (u + outside).max(least);
        (p - decoupled * p - rate * m / below, [m, u, x])
    }

    fn source(&self) -> &'static str {
        wgsl!("optim/adamax")
    }
}

impl Default for Adamax {
    fn default() -> Self {
        Self::defaults(Convention::PyTorch)
    }
}

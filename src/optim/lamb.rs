//! LAMB.

use super::adam::correction;
use super::fields::{self, Configurable, Field};
use super::{Convention, Hyper, Rule};
use crate::kernel::wgsl;
use crate::scalar::Number;

/// LAMB: Adam's direction, as long for each tensor as the tensor itself, times η.
///
/// # Formula
///
/// At step `t = 1, 2, …`, ‖·‖ over one tensor:
///
/// ```text
/// m ← β₁ m + (1 − β₁) g                        starts at 0;  m̂ = m / (1 − β₁ᵗ)
/// v ← β₂ v + (1 − β₂) g²                       starts at 0;  v̂ = v / (1 − β₂ᵗ)
/// u = m̂ / (√(v̂ + ε') + ε) + λ p               keras: without λ p
/// p ← p − η λ p                                (keras)
/// p ← p − η (‖p‖ / ‖u‖) u                      the ratio is 1 where either norm is 0
/// ```
///
/// [`update`](Rule::update) gives u, and the engine does the last two lines: see [`Rule::trust_ratio`]. The paper's φ is the
/// identity, as in both libraries. A tensor that starts at 0, as biases may, moves by Adam's step first. PyTorch has no LAMB.
///
/// | | η | ε | λ |
/// |---|---|---|---|
/// | `paper` | 1e-3 (one for each batch size there) | 1e-6 | 0.01 |
/// | `keras` | 1e-3 | 1e-7 | 0 |
/// | `optax` | 1e-3 (it has none) | 1e-6 | 0 |
///
/// # On the GPU
///
/// `shaders/optim/lamb.wgsl`, two states. The ratio needs all of u before the first element moves, so there are two passes with
/// a sum of squares between: see the engine for what they read.
///
/// # Source
///
/// You et al., *Large Batch Optimization for Deep Learning: Training BERT in 76 minutes*, ICLR 2020, arXiv 1904.00962,
/// algorithm 2.
///
/// # Examples
///
/// The first direction has a sign for each element, and with it the length √2; a weight of length 5 moves by 5η:
///
/// ```
/// use thalweg::optim::{DynRule, Lamb};
///
/// let rule = Lamb::default();
/// let (mut u, mut m, mut v) = ([3.0, 4.0], [0.0; 2], [0.0; 2]);
/// let h = rule.hyper(1, 0.1);
/// rule.update_f64(&h, &[7.0, -0.5], &mut u, &mut [&mut m, &mut v]);
/// let length = u[0].hypot(u[1]);
/// assert!((length - 2.0_f64.sqrt()).abs() < 1e-5);
/// let p = [3.0 - h[10] * 5.0 / length * u[0], 4.0 - h[10] * 5.0 / length * u[1]];
/// assert!(((p[0] - 3.0).hypot(p[1] - 4.0) - 0.5).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lamb {
    /// Whose arithmetic and defaults. Default `Optax`.
    pub convention: Convention,
    /// η, the length of a step as a part of the tensor's own. Positive. Default 1e-3.
    pub learning_rate: f64,
    /// β₁, the decay of the mean. In `[0, 1)`. Default 0.9.
    pub beta1: f64,
    /// β₂, the decay of the mean square. In `[0, 1)`. Default 0.999.
    pub beta2: f64,
    /// ε, in units of the gradient. Positive. Default 1e-6 (`Keras`: 1e-7).
    pub epsilon: f64,
    /// ε', in units of the gradient squared. Not negative. Default 0; `Optax` only.
    pub epsilon_root: f64,
    /// λ: part of the direction, in `Keras` taken from the parameter before. Not negative. Default 0 (`Paper`: 0.01).
    pub weight_decay: f64,
}

impl Configurable for Lamb {
    const NAME: &'static str = "lamb";
    const CONVENTIONS: &'static [Convention] = &[Convention::Paper, Convention::Keras, Convention::Optax];

    fn defaults(convention: Convention) -> Self {
        let (epsilon, weight_decay) = match convention {
            Convention::Paper => (1e-6, 0.01),
            Convention::Keras => (1e-7, 0.0),
            _ => (1e-6, 0.0),
        };
        Self { convention, learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon, epsilon_root: 0.0, weight_decay }
    }

    fn fields(&mut self) -> Vec<Field<'_>> {
        vec![
            Field::number("learning_rate", &mut self.learning_rate),
            Field::number("beta1", &mut self.beta1),
            Field::number("beta2", &mut self.beta2),
            Field::number("epsilon", &mut self.epsilon),
            Field::number("epsilon_root", &mut self.epsilon_root).only(&[Convention::Optax]),
            Field::number("weight_decay", &mut self.weight_decay),
        ]
    }
}

impl Rule for Lamb {
    fields::configured!();

    fn states(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_avg_sq"]
    }

    fn trust_ratio(&self) -> bool {
        true
    }

    fn hyper(&self, step: u64, learning_rate: f64) -> Hyper {
        let &Self { beta1, beta2, epsilon, epsilon_root, weight_decay, .. } = self;
        let (c1, c2) = (1.0 / correction(beta1, step), 1.0 / correction(beta2, step));
        let (coupled, decoupled) = match self.convention {
            Convention::Keras => (0.0, learning_rate * weight_decay),
            _ => (weight_decay, 0.0),
        };
        let (rest1, rest2) = (1.0 - beta1, 1.0 - beta2);
        [c1, c2, beta1, rest1, beta2, rest2, epsilon, epsilon_root, coupled, 0.0, learning_rate, decoupled]
    }

    #[inline]
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, [m, v, x]: [T; 3]) -> (T, [T; 3]) {
        let &[c1, c2, beta1, rest1, beta2, rest2, epsilon, inside, decay, ..] = h;
        let m = beta1 * m + rest1 * g;
        let v = beta2 * v + rest2 * g * g;
        let u = m * c1 / ((v * c2 + inside).sqrt() + epsilon) + decay * p;
        (u, [m, v, x])
    }

    fn source(&self) -> &'static str {
        wgsl!("optim/lamb")
    }
}

impl Default for Lamb {
    fn default() -> Self {
        Self::defaults(Convention::Optax)
    }
}

//! Adam.

use super::fields::{self, Configurable, Field};
use super::{Convention, Hyper, Rule};
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
/// p ← p − η λ p                                (keras)
/// m ← β₁ m + (1 − β₁) g                        starts at 0
/// v ← β₂ v + (1 − β₂) g²                       starts at 0
/// p ← p − η Δ
/// ```
///
/// with `m̂ = m / (1 − β₁ᵗ)` and `v̂ = v / (1 − β₂ᵗ)`:
///
/// | convention | Δ | η | β₁, β₂ | ε | λ |
/// |---|---|---|---|---|---|
/// | `cs231n` | `m̂ / (√v̂ + ε)` | 1e-3 | 0.9, 0.999 | 1e-8 | |
/// | `paper` | `m̂ / (√v̂ + ε)` | 1e-3 | 0.9, 0.999 | 1e-8 | |
/// | `keras` | `√(1 − β₂ᵗ)/(1 − β₁ᵗ) · m / (√v + ε)` | 1e-3 | 0.9, 0.999 | 1e-7 | 0 |
/// | `optax` | `m̂ / (√(v̂ + ε′) + ε)` | asked for; 1e-3 here | 0.9, 0.999 | 1e-8, ε′ = 0 | |
/// | `pytorch` | `m̂ / (√v̂ + ε)` | 1e-3 | 0.9, 0.999 | 1e-8 | 0 |
///
/// Keras's ε is the ε̂ of the paper's shorter form, before its section 2.1. It does what `ε / √(1 − β₂ᵗ)` does in the
/// others, 32 times as much at the first step. The uncorrected form of CS231n and of the paper's section 6.4, m for m̂ and v
/// for v̂, is `bias_correction = false`.
///
/// # On the GPU
///
/// `shaders/optim/adam.wgsl`, one pass, two states: 28 bytes a parameter. `α = η / (1 − β₁ᵗ)` and `r = 1 / √(1 − β₂ᵗ)` come
/// from the host; keras's `√(1 − β₂ᵗ)` stands in α, and r is 1.
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
    /// ε, in units of the gradient. Positive. Default 1e-8 (keras: 1e-7).
    pub epsilon: f64,
    /// ε′, inside the root, in units of the gradient's square. Not negative. Default 0; `Optax` only.
    pub epsilon_root: f64,
    /// Whether m and v are corrected for starting at 0. Default on; `Cs231n` and `Paper` only can switch it off.
    pub bias_correction: bool,
    /// λ, added to the gradient as `λp` (keras: taken from the parameter as `ηλp`); see [`AdamW`](super::AdamW). Not negative.
    /// Default 0; `Keras` and `PyTorch` only.
    pub weight_decay: f64,
}

impl Configurable for Adam {
    const NAME: &'static str = "adam";
    const CONVENTIONS: &'static [Convention] = Convention::ALL;

    fn defaults(convention: Convention) -> Self {
        Self {
            convention,
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: if convention == Convention::Keras { 1e-7 } else { 1e-8 },
            epsilon_root: 0.0,
            bias_correction: true,
            weight_decay: 0.0,
        }
    }

    fn fields(&mut self) -> Vec<Field<'_>> {
        vec![
            Field::number("learning_rate", &mut self.learning_rate),
            Field::number("beta1", &mut self.beta1),
            Field::number("beta2", &mut self.beta2),
            Field::number("epsilon", &mut self.epsilon),
            Field::number("epsilon_root", &mut self.epsilon_root).only(&[Convention::Optax]),
            Field::flag("bias_correction", &mut self.bias_correction).only(&[Convention::Cs231n, Convention::Paper]),
            Field::number("weight_decay", &mut self.weight_decay).only(&[Convention::Keras, Convention::PyTorch]),
        ]
    }
}

/// 1 − βᵗ.
pub(super) fn correction(beta: f64, step: u64) -> f64 {
    1.0 - beta.powf(step as f64)
}

/// α and r of `p ← p − α m / (√v r + ε)`, from the corrections of m and v.
pub(super) fn rates(convention: Convention, rate: f64, c1: f64, c2: f64) -> (f64, f64) {
    if convention == Convention::Keras { (rate * c2.sqrt() / c1, 1.0) } else { (rate / c1, 1.0 / c2.sqrt()) }
}

/// Adam's and AdamW's equation: shaders/optim/adam.wgsl.
#[inline]
pub(super) fn update<T: Number>(h: &[T; 12], g: T, p: T, [m, v, x]: [T; 3]) -> (T, [T; 3]) {
    let &[alpha, root, beta1, rest1, beta2, rest2, epsilon, coupled, decoupled, inside, ..] = h;
    let g = g + coupled * p;
    let p = p - decoupled * p;
    let m = beta1 * m + rest1 * g;
    let v = beta2 * v + rest2 * g * g;
    (p - alpha * m / ((v + inside).sqrt() * root + epsilon), [m, v, x])
}

impl Rule for Adam {
    fields::configured!();

    fn states(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_avg_sq"]
    }

    fn hyper(&self, step: u64, learning_rate: f64) -> Hyper {
        let &Self { convention, beta1, beta2, epsilon, .. } = self;
        let (c1, c2) = match self.bias_correction {
            true => (correction(beta1, step), correction(beta2, step)),
            false => (1.0, 1.0),
        };
        let (alpha, root) = rates(convention, learning_rate, c1, c2);
        let (coupled, decoupled) = convention.decays(learning_rate, self.weight_decay);
        // √(v/c₂ + ε′) = √(v + ε′c₂)/√c₂
        let inside = self.epsilon_root * c2;
        let (rest1, rest2) = (1.0 - beta1, 1.0 - beta2);
        super::rule::hyper([alpha, root, beta1, rest1, beta2, rest2, epsilon, coupled, decoupled, inside])
    }

    #[inline]
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, state: [T; 3]) -> (T, [T; 3]) {
        update(h, g, p, state)
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

//! AdamW.

use super::adam::{self, correction};
use super::fields::{self, Configurable, Field};
use super::{Convention, Hyper, Rule};
use crate::kernel::wgsl;
use crate::scalar::Number;

/// AdamW: Adam with the weight decay taken out of the gradient.
///
/// # Formula
///
/// At step `t = 1, 2, …`:
///
/// ```text
/// m ← β₁ m + (1 − β₁) g                        starts at 0
/// v ← β₂ v + (1 − β₂) g²                       starts at 0
/// p ← p − η λ p − η Δ                          (paper: p ← p − s λ p − η Δ)
/// ```
///
/// with `m̂ = m / (1 − β₁ᵗ)` and `v̂ = v / (1 − β₂ᵗ)`:
///
/// | convention | Δ | η | β₁, β₂ | ε | λ |
/// |---|---|---|---|---|---|
/// | `paper` | `m̂ / (√v̂ + ε)` | 1e-3 | 0.9, 0.999 | 1e-8 | 0 |
/// | `keras` | `√(1 − β₂ᵗ)/(1 − β₁ᵗ) · m / (√v + ε)` | 1e-3 | 0.9, 0.999 | 1e-7 | 4e-3 |
/// | `optax` | `m̂ / (√(v̂ + ε′) + ε)` | asked for; 1e-3 here | 0.9, 0.999 | 1e-8, ε′ = 0 | 1e-4 |
/// | `pytorch` | `m̂ / (√v̂ + ε)` | 1e-3 | 0.9, 0.999 | 1e-8 | 1e-2 |
///
/// The libraries scale the decay by η. The paper scales it by s alone, the schedule's multiplier: what the step's rate is of
/// `learning_rate`. Its λ has no default, so that it is 0 here: choose one, about a thousandth of a library's. PyTorch
/// multiplies by `1 − ηλ`, which rounded to f32 is a decay 0.14 % off at the defaults; `p − (ηλ)p` keeps ηλ to 24 bits.
/// There is no `cs231n` convention: there L2 is part of the loss.
///
/// # On the GPU
///
/// `shaders/optim/adam.wgsl`, [`Adam`](super::Adam)'s, one pass, two states: 28 bytes a parameter.
///
/// # Source
///
/// Loshchilov & Hutter, *Decoupled Weight Decay Regularization*, ICLR 2019, arXiv 1711.05101, algorithm 2.
///
/// # Examples
///
/// Without a gradient a parameter shrinks by ηλ a step, which Adam's coupled decay does not do:
///
/// ```
/// use thalweg::optim::{AdamW, DynRule};
///
/// let rule = AdamW { weight_decay: 0.5, ..AdamW::default() };
/// let (mut p, mut m, mut v) = ([8.0], [0.0], [0.0]);
/// for t in 1..=2 {
///     rule.update_f64(&rule.hyper(t, 0.5), &[0.0], &mut p, &mut [&mut m, &mut v]);
/// }
/// assert_eq!(p, [4.5]); // 8·¾·¾
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Whose arithmetic and defaults. Default `PyTorch`; there is no `Cs231n`.
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
    /// λ, the part of p removed a step for each unit of η (paper: of the schedule's multiplier). Not negative. Default 0.01
    /// (paper: 0; keras: 0.004; optax: 1e-4).
    pub weight_decay: f64,
}

impl Configurable for AdamW {
    const NAME: &'static str = "adamw";
    const CONVENTIONS: &'static [Convention] =
        &[Convention::Paper, Convention::Keras, Convention::Optax, Convention::PyTorch];

    fn defaults(convention: Convention) -> Self {
        let (epsilon, weight_decay) = match convention {
            Convention::Paper => (1e-8, 0.0),
            Convention::Keras => (1e-7, 4e-3),
            Convention::Optax => (1e-8, 1e-4),
            _ => (1e-8, 1e-2),
        };
        let (learning_rate, beta1, beta2) = (1e-3, 0.9, 0.999);
        Self { convention, learning_rate, beta1, beta2, epsilon, epsilon_root: 0.0, weight_decay }
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

impl Rule for AdamW {
    fields::configured!();

    fn states(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_avg_sq"]
    }

    fn hyper(&self, step: u64, learning_rate: f64) -> Hyper {
        let &Self { convention, beta1, beta2, epsilon, .. } = self;
        let (c1, c2) = (correction(beta1, step), correction(beta2, step));
        let (alpha, root) = adam::rates(convention, learning_rate, c1, c2);
        let scale = if convention == Convention::Paper { learning_rate / self.learning_rate } else { learning_rate };
        let (rest1, rest2) = (1.0 - beta1, 1.0 - beta2);
        let (decay, inside) = (scale * self.weight_decay, self.epsilon_root * c2);
        super::rule::hyper([alpha, root, beta1, rest1, beta2, rest2, epsilon, 0.0, decay, inside])
    }

    #[inline]
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, state: [T; 3]) -> (T, [T; 3]) {
        adam::update(h, g, p, state)
    }

    fn source(&self) -> &'static str {
        wgsl!("optim/adam")
    }
}

impl Default for AdamW {
    fn default() -> Self {
        Self::defaults(Convention::PyTorch)
    }
}

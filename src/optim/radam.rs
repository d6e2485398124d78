//! RAdam.

use super::adam::correction;
use super::fields::{self, Configurable, Field};
use super::nadam;
use super::{Convention, Hyper, Rule};
use crate::kernel::wgsl;
use crate::scalar::Number;

/// RAdam: Adam that divides by nothing until its mean square has seen enough steps, and then by as much as it can be trusted.
///
/// # Formula
///
/// At step `t = 1, 2, …`:
///
/// ```text
/// g ← g + λ p                                  (pytorch, coupled)
/// p ← p − η λ p                                (pytorch, decoupled)
/// m ← β₁ m + (1 − β₁) g                        starts at 0;  m̂ = m / (1 − β₁ᵗ)
/// v ← β₂ v + (1 − β₂) g²                       starts at 0
/// ρ = ρ∞ − 2t β₂ᵗ/(1 − β₂ᵗ)                    ρ∞ = 2/(1 − β₂) − 1
/// r = √((ρ − 4)(ρ − 2)ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)ρ))
///
/// p ← p − η m̂                                  where ρ ≤ 5 (optax: ρ < 5)
/// p ← p − η r m̂ √(1 − β₂ᵗ) / (√v + ε)          pytorch
/// p ← p − η r m̂ / (√(v/(1 − β₂ᵗ) + ε') + ε)    optax
/// ```
///
/// At the default β₂ the first five steps are momentum's. For β₂ ≤ 2/3, ρ never exceeds 5 and all are. With `nesterov`, Optax's m̂
/// looks a step ahead as in [`Nadam`](super::Nadam). The paper's algorithm, which has ρ > 4 and no ε, divides by 0 where a
/// gradient was always 0, so there is no `paper` convention; Keras has no RAdam.
///
/// # On the GPU
///
/// `shaders/optim/nadam.wgsl`, one pass, two states: 28 bytes a parameter. ρ, r and the choice are the host's: before the
/// rectification the divisor is `0·v + 1`.
///
/// # Source
///
/// Liu et al., *On the Variance of the Adaptive Learning Rate and Beyond*, ICLR 2020, arXiv 1908.03265, algorithm 2.
///
/// # Examples
///
/// The first step follows the gradient's size, where Adam's would be η whatever that is:
///
/// ```
/// use thalweg::optim::{DynRule, RAdam};
///
/// let rule = RAdam::default();
/// let (mut p, mut m, mut v) = ([0.0, 0.0], [0.0; 2], [0.0; 2]);
/// rule.update_f64(&rule.hyper(1, 0.5), &[3.0, -0.25], &mut p, &mut [&mut m, &mut v]);
/// assert!((p[0] + 1.5_f64).abs() < 1e-15 && (p[1] - 0.125).abs() < 1e-15);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RAdam {
    /// Whose arithmetic and defaults. Default `PyTorch`.
    pub convention: Convention,
    /// η, about the length of a rectified step. Positive. Default 1e-3.
    pub learning_rate: f64,
    /// β₁, the decay of the mean. In `[0, 1)`. Default 0.9.
    pub beta1: f64,
    /// β₂, the decay of the mean square. In `[0, 1)`. Default 0.999.
    pub beta2: f64,
    /// ε, in units of the gradient; `PyTorch` adds it to the uncorrected root. Positive. Default 1e-8.
    pub epsilon: f64,
    /// ε', in units of the gradient squared. Not negative. Default 0; `Optax` only.
    pub epsilon_root: f64,
    /// Whether the mean looks a step ahead. Default off; `Optax` only.
    pub nesterov: bool,
    /// λ. Not negative. Default 0; `PyTorch` only.
    pub weight_decay: f64,
    /// Whether λ is decoupled. Default off; `PyTorch` only.
    pub decoupled_weight_decay: bool,
}

impl Configurable for RAdam {
    const NAME: &'static str = "radam";
    const CONVENTIONS: &'static [Convention] = &[Convention::Optax, Convention::PyTorch];

    fn defaults(convention: Convention) -> Self {
        Self {
            convention,
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            epsilon_root: 0.0,
            nesterov: false,
            weight_decay: 0.0,
            decoupled_weight_decay: false,
        }
    }

    fn fields(&mut self) -> Vec<Field<'_>> {
        vec![
            Field::number("learning_rate", &mut self.learning_rate),
            Field::number("beta1", &mut self.beta1),
            Field::number("beta2", &mut self.beta2),
            Field::number("epsilon", &mut self.epsilon),
            Field::number("epsilon_root", &mut self.epsilon_root).only(&[Convention::Optax]),
            Field::flag("nesterov", &mut self.nesterov).only(&[Convention::Optax]),
            Field::number("weight_decay", &mut self.weight_decay).only(&[Convention::PyTorch]),
            Field::flag("decoupled_weight_decay", &mut self.decoupled_weight_decay).only(&[Convention::PyTorch]),
        ]
    }
}

impl RAdam {
    /// r, or `None` while the mean square is not to be trusted.
    fn rectification(&self, step: u64) -> Option<f64> {
        let (t, power) = (step as f64, self.beta2.powf(step as f64));
        let most = 2.0 / (1.0 - self.beta2) - 1.0;
        let rho = most - 2.0 * t * power / (1.0 - power);
        let trusted = if self.convention == Convention::Optax { rho >= 5.0 } else { rho > 5.0 };
        trusted.then(|| ((rho - 4.0) * (rho - 2.0) * most / ((most - 4.0) * (most - 2.0) * rho)).sqrt())
    }
}

impl Rule for RAdam {
    fields::configured!();

    fn states(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_avg_sq"]
    }

    fn hyper(&self, step: u64, learning_rate: f64) -> Hyper {
        let &Self { beta1, beta2, weight_decay, .. } = self;
        let (of_m, of_g) = match self.nesterov {
            true => nadam::ahead(beta1, step),
            false => (1.0 / correction(beta1, step), 0.0),
        };
        let corrected = correction(beta2, step);
        // Behind the root for the uncorrected v: (√v + ε)/√(1 − β₂ᵗ).
        let epsilon = if self.convention == Convention::Optax { self.epsilon } else { self.epsilon / corrected.sqrt() };
        let (rate, inverse, inside, epsilon) = match self.rectification(step) {
            Some(r) => (learning_rate * r, 1.0 / corrected, self.epsilon_root, epsilon),
            None => (learning_rate, 0.0, 0.0, 1.0),
        };
        let (coupled, decoupled) = match self.decoupled_weight_decay {
            true => (0.0, learning_rate * weight_decay),
            false => (weight_decay, 0.0),
        };
        let (of_m, of_g, rest1, rest2) = (rate * of_m, rate * of_g, 1.0 - beta1, 1.0 - beta2);
        super::rule::hyper([of_m, of_g, beta1, rest1, beta2, rest2, inverse, inside, epsilon, coupled, decoupled])
    }

    #[inline]
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, s: [T; 3]) -> (T, [T; 3]) {
        nadam::step(h, g, p, s)
    }

    fn source(&self) -> &'static str {
        wgsl!("optim/nadam")
    }
}

impl Default for RAdam {
    fn default() -> Self {
        Self::defaults(Convention::PyTorch)
    }
}

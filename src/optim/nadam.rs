//! NAdam.

use super::adam::correction;
use super::fields::{self, Configurable, Field};
use super::{Convention, Hyper, Rule};
use crate::kernel::wgsl;
use crate::scalar::Number;

/// NAdam: Adam whose mean looks one step ahead, as Nesterov's momentum does.
///
/// # Formula
///
/// At step `t = 1, 2, …`:
///
/// ```text
/// g ← g + λ p                                  (pytorch, coupled)
/// m ← β₁ m + (1 − β₁) g                        starts at 0
/// v ← β₂ v + (1 − β₂) g²                       starts at 0
/// p ← p − η λ p                                (keras, optax, pytorch decoupled)
/// p ← p − η m̂ / (√(v̂ + ε') + ε)                v̂ = v / (1 − β₂ᵗ)
///
/// m̂ = μₜ₊₁ m / (1 − μ₁…μₜ₊₁) + (1 − μₜ) g / (1 − μ₁…μₜ),  μₜ = β₁(1 − ½·0.96^(tψ))     (pytorch, keras)
/// m̂ = β₁ m / (1 − β₁ᵗ⁺¹) + (1 − β₁) g / (1 − β₁ᵗ)                                      (optax)
/// ```
///
/// ψ is 0.004 in PyTorch, as in the paper, and 1 in Keras 3, where μ is β₁ after some hundred steps. m decays by β₁ in all three,
/// in the paper by μₜ. ε' is Optax's alone; its weight decay is `optax.nadamw`'s.
///
/// | | η | ε | λ |
/// |---|---|---|---|
/// | `keras` | 1e-3 | 1e-7 | 0 |
/// | `optax` | 1e-3 (it has none) | 1e-8 | 0 |
/// | `pytorch` | 2e-3 | 1e-8 | 0 |
///
/// # On the GPU
///
/// `shaders/optim/nadam.wgsl`, one pass, two states: 28 bytes a parameter. The two factors of m̂ come from the host, which knows
/// the products of μ from the step alone.
///
/// # Source
///
/// Dozat, *Incorporating Nesterov Momentum into Adam*, ICLR 2016 workshop, algorithm 2.
///
/// # Examples
///
/// The first step is half as long again as Adam's: the gradient counts whole beside its mean, which is corrected for a step
/// that is still to come.
///
/// ```
/// use thalweg::optim::{Configurable, Convention, DynRule, Nadam};
///
/// let rule = Nadam::defaults(Convention::Optax);
/// let (mut p, mut m, mut v) = ([1.0], [0.0], [0.0]);
/// rule.update_f64(&rule.hyper(1, 0.25), &[4.0], &mut p, &mut [&mut m, &mut v]);
/// assert!((p[0] - (1.0 - 0.25 * (0.9 * 0.1 / 0.19 + 0.1 / 0.1))).abs() < 1e-8); // β₁(1−β₁)/(1−β₁²) + 1
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nadam {
    /// Whose arithmetic and defaults. Default `PyTorch`.
    pub convention: Convention,
    /// η, about the length of a step. Positive. Default 2e-3 (`Keras`, `Optax`: 1e-3).
    pub learning_rate: f64,
    /// β₁, the decay of the mean. In `[0, 1)`. Default 0.9.
    pub beta1: f64,
    /// β₂, the decay of the mean square. In `[0, 1)`. Default 0.999.
    pub beta2: f64,
    /// ε, in units of the gradient. Positive. Default 1e-8 (`Keras`: 1e-7).
    pub epsilon: f64,
    /// ε', in units of the gradient squared. Not negative. Default 0; `Optax` only.
    pub epsilon_root: f64,
    /// ψ, how fast μ rises from β₁/2 to β₁. Not negative. Default 4e-3; `PyTorch` only.
    pub momentum_decay: f64,
    /// λ: decoupled in `Keras` and `Optax`, in `PyTorch` as the next field says. Not negative. Default 0.
    pub weight_decay: f64,
    /// Whether λ is decoupled. Default off; `PyTorch` only.
    pub decoupled_weight_decay: bool,
}

impl Configurable for Nadam {
    const NAME: &'static str = "nadam";
    const CONVENTIONS: &'static [Convention] = &[Convention::Keras, Convention::Optax, Convention::PyTorch];

    fn defaults(convention: Convention) -> Self {
        let (learning_rate, epsilon) = match convention {
            Convention::Keras => (1e-3, 1e-7),
            Convention::Optax => (1e-3, 1e-8),
            _ => (2e-3, 1e-8),
        };
        Self {
            convention,
            learning_rate,
            beta1: 0.9,
            beta2: 0.999,
            epsilon,
            epsilon_root: 0.0,
            momentum_decay: 4e-3,
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
            Field::number("momentum_decay", &mut self.momentum_decay).only(&[Convention::PyTorch]),
            Field::number("weight_decay", &mut self.weight_decay),
            Field::flag("decoupled_weight_decay", &mut self.decoupled_weight_decay).only(&[Convention::PyTorch]),
        ]
    }
}

impl Nadam {
    /// μₜ, and the product of all up to it.
    fn momentum(&self, step: u64) -> (f64, f64) {
        let decay = if self.convention == Convention::Keras { 1.0 } else { self.momentum_decay };
        let ratio = 0.96_f64.powf(decay);
        let mu = self.beta1 * (1.0 - 0.5 * 0.96_f64.powf(step as f64 * decay));
        let mut product = self.beta1.powf(step as f64);
        let mut power = 1.0;
        for _ in 0..step {
            power *= ratio;
            // Further factors are 1, or the product is nothing beside the 1 it is taken from.
            if power < 1e-18 || product < 1e-18 {
                break;
            }
            product *= 1.0 - 0.5 * power;
        }
        (mu, product)
    }
}

/// The factors of m and g in Adam's mean seen one step ahead, as Optax takes it.
pub(super) fn ahead(beta1: f64, step: u64) -> (f64, f64) {
    (beta1 / correction(beta1, step + 1), (1.0 - beta1) / correction(beta1, step))
}

/// The element's part, which RAdam shares.
#[inline]
pub(super) fn step<T: Number>(h: &[T; 12], g: T, p: T, [m, v, x]: [T; 3]) -> (T, [T; 3]) {
    let &[of_m, of_g, beta1, rest1, beta2, rest2, inverse, inside, epsilon, coupled, decoupled, _] = h;
    let g = g + coupled * p;
    let m = beta1 * m + rest1 * g;
    let v = beta2 * v + rest2 * g * g;
    let mixed = of_m * m + of_g * g;
    (p - decoupled * p - mixed / ((v * inverse + inside).sqrt() + epsilon), [m, v, x])
}

impl Rule for Nadam {
    fields::configured!();

    fn states(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_avg_sq"]
    }

    fn hyper(&self, step: u64, learning_rate: f64) -> Hyper {
        let &Self { convention, beta1, beta2, epsilon, epsilon_root, weight_decay, .. } = self;
        let (of_m, of_g) = match convention {
            Convention::Optax => ahead(beta1, step),
            _ => {
                let ((mu, product), (next, product_next)) = (self.momentum(step), self.momentum(step + 1));
                (next / (1.0 - product_next), (1.0 - mu) / (1.0 - product))
            }
        };
        let (coupled, decoupled) = match convention == Convention::PyTorch && !self.decoupled_weight_decay {
            true => (weight_decay, 0.0),
            false => (0.0, learning_rate * weight_decay),
        };
        let (of_m, of_g, inverse) = (learning_rate * of_m, learning_rate * of_g, 1.0 / correction(beta2, step));
        let (rest1, rest2) = (1.0 - beta1, 1.0 - beta2);
        super::rule::hyper([of_m, of_g, beta1, rest1, beta2, rest2, inverse, epsilon_root, epsilon, coupled, decoupled])
    }

    #[inline]
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, s: [T; 3]) -> (T, [T; 3]) {
        step(h, g, p, s)
    }

    fn source(&self) -> &'static str {
        wgsl!("optim/nadam")
    }
}

impl Default for Nadam {
    fn default() -> Self {
        Self::defaults(Convention::PyTorch)
    }
}

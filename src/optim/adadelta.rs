//! Adadelta.

use super::fields::{self, Configurable, Field};
use super::{Convention, Hyper, Rule};
use crate::kernel::wgsl;
use crate::scalar::Number;

/// Adadelta: the step is in units of the parameter, so that no learning rate need be chosen.
///
/// # Formula
///
/// ```text
/// g ← g + λ p                                  (optax, pytorch)
/// p ← p − η λ p                                (keras)
/// v ← ρ v + (1 − ρ) g²                         E[g²], starts at 0
/// Δ = √(d + ε) / √(v + ε) · g                  the new v, the old d
/// d ← ρ d + (1 − ρ) Δ²                         E[Δ²], starts at 0
/// p ← p − η Δ
/// ```
///
/// | convention | η | ρ | ε | λ |
/// |---|---|---|---|---|
/// | `cs231n` | 1 | 0.95 | 1e-6 | |
/// | `paper` | 1 | 0.95 | 1e-6 | |
/// | `keras` | 1e-3 | 0.95 | 1e-7 | 0 |
/// | `optax` | 1 | 0.9 | 1e-6 | 0 |
/// | `pytorch` | 1 | 0.9 | 1e-6 | 0 |
///
/// CS231n's notes and the paper have no η: leave it at 1. Optax without a learning rate forgets the sign and climbs; here it
/// is 1. ε stands inside the roots, in units of the parameter's and the
/// gradient's square. With the *old* v the first step would be 1/√ε times `g` too far: some 700 times this one.
///
/// # On the GPU
///
/// `shaders/optim/adadelta.wgsl`, one pass, two states: 28 bytes a parameter.
///
/// # Source
///
/// Zeiler, *ADADELTA: An Adaptive Learning Rate Method*, arXiv 1212.5701 (2012), algorithm 1.
///
/// # Examples
///
/// The first step is about `√(ε/(1 − ρ))`, whatever the gradient's size:
///
/// ```
/// use thalweg::optim::{Adadelta, DynRule};
///
/// let rule = Adadelta::default();
/// let (mut p, mut v, mut d) = ([0.0], [0.0], [0.0]);
/// rule.update_f64(&rule.hyper(1, 1.0), &[50.0], &mut p, &mut [&mut v, &mut d]);
/// assert!((p[0] + 1e-5_f64.sqrt()).abs() < 1e-8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adadelta {
    /// Whose arithmetic and defaults. Default `PyTorch`.
    pub convention: Convention,
    /// η, a factor on the step. Positive. Default 1 (keras: 1e-3).
    pub learning_rate: f64,
    /// ρ, the decay of both running means. In `[0, 1)`. Default 0.9 (cs231n, paper, keras: 0.95).
    pub decay: f64,
    /// ε, inside the roots. Positive. Default 1e-6 (keras: 1e-7).
    pub epsilon: f64,
    /// λ, added to the gradient as `λp` (keras: taken from the parameter as `ηλp`). Not negative. Default 0; `Keras`, `Optax`
    /// and `PyTorch` only.
    pub weight_decay: f64,
}

impl Configurable for Adadelta {
    const NAME: &'static str = "adadelta";
    const CONVENTIONS: &'static [Convention] = Convention::ALL;

    fn defaults(convention: Convention) -> Self {
        let (learning_rate, decay, epsilon) = match convention {
            Convention::Cs231n | Convention::Paper => (1.0, 0.95, 1e-6),
            Convention::Keras => (1e-3, 0.95, 1e-7),
            Convention::Optax | Convention::PyTorch => (1.0, 0.9, 1e-6),
        };
        Self { convention, learning_rate, decay, epsilon, weight_decay: 0.0 }
    }

    fn fields(&mut self) -> Vec<Field<'_>> {
        vec![
            Field::number("learning_rate", &mut self.learning_rate),
            Field::number("decay", &mut self.decay),
            Field::number("epsilon", &mut self.epsilon),
            Field::number("weight_decay", &mut self.weight_decay).only(&[
                Convention::Keras,
                Convention::Optax,
                Convention::PyTorch,
            ]),
        ]
    }
}

impl Rule for Adadelta {
    fields::configured!();

    fn states(&self) -> &'static [&'static str] {
        &["square_avg", "acc_delta"]
    }

    fn hyper(&self, _: u64, learning_rate: f64) -> Hyper {
        let (coupled, decoupled) = self.convention.decays(learning_rate, self.weight_decay);
        super::rule::hyper([learning_rate, self.decay, 1.0 - self.decay, self.epsilon, coupled, decoupled])
    }

    #[inline]
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, [v, d, x]: [T; 3]) -> (T, [T; 3]) {
        let &[rate, rho, rest, epsilon, coupled, decoupled, ..] = h;
        let g = g + coupled * p;
        let p = p - decoupled * p;
        let v = rho * v + rest * g * g;
        let delta = (d + epsilon).sqrt() / (v + epsilon).sqrt() * g;
        let d = rho * d + rest * delta * delta;
        (p - rate * delta, [v, d, x])
    }

    fn source(&self) -> &'static str {
        wgsl!("optim/adadelta")
    }
}

impl Default for Adadelta {
    fn default() -> Self {
        Self::defaults(Convention::PyTorch)
    }
}

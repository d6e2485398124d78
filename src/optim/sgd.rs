//! Stochastic gradient descent.

use super::fields::{self, Configurable, Field};
use super::{Convention, Hyper, Rule};
use crate::kernel::wgsl;
use crate::scalar::Number;

/// Stochastic gradient descent: a step against the gradient.
///
/// # Formula
///
/// At each step, for each parameter p with gradient g and learning rate η:
///
/// ```text
/// p ← p − η (g + λ p)
/// ```
///
/// | convention | η | λ |
/// |---|---|---|
/// | `cs231n` | 1e-2 | none: L2 is part of the loss |
/// | `keras` | 1e-2 | 0; written as `p ← p − ηλp; p ← p − ηg`, which is the same |
/// | `optax` | asked for; 1e-3 here | none |
/// | `pytorch` | 1e-3 | 0 |
///
/// # On the GPU
///
/// `shaders/optim/sgd.wgsl`, one pass, no state: 12 bytes a parameter.
///
/// # Source
///
/// Robbins & Monro, *A Stochastic Approximation Method* (1951).
///
/// # Examples
///
/// ```
/// use thalweg::optim::{DynRule, Sgd};
///
/// let rule = Sgd { learning_rate: 0.5, weight_decay: 0.25, ..Sgd::default() };
/// let mut p = [2.0];
/// rule.update_f64(&rule.hyper(1, 0.5), &[1.0], &mut p, &mut []);
/// assert_eq!(p, [1.25]); // 2 − ½·(1 + ¼·2)
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Whose arithmetic and defaults. Default `PyTorch`.
    pub convention: Convention,
    /// η. Positive. Default 1e-3 (cs231n, keras: 1e-2).
    pub learning_rate: f64,
    /// λ, by which each parameter shrinks. Not negative. Default 0; `Keras` and `PyTorch` only.
    pub weight_decay: f64,
}

impl Configurable for Sgd {
    const NAME: &'static str = "sgd";
    const CONVENTIONS: &'static [Convention] =
        &[Convention::Cs231n, Convention::Keras, Convention::Optax, Convention::PyTorch];

    fn defaults(convention: Convention) -> Self {
        let learning_rate = if matches!(convention, Convention::Cs231n | Convention::Keras) { 1e-2 } else { 1e-3 };
        Self { convention, learning_rate, weight_decay: 0.0 }
    }

    fn fields(&mut self) -> Vec<Field<'_>> {
        vec![
            Field::number("learning_rate", &mut self.learning_rate),
            Field::number("weight_decay", &mut self.weight_decay).only(&[Convention::Keras, Convention::PyTorch]),
        ]
    }
}

impl Rule for Sgd {
    fields::configured!();

    fn states(&self) -> &'static [&'static str] {
        &[]
    }

    fn hyper(&self, _: u64, learning_rate: f64) -> Hyper {
        super::rule::hyper([learning_rate, self.weight_decay])
    }

    #[inline]
    fn update<T: Number>(&self, &[rate, decay, ..]: &[T; 12], g: T, p: T, state: [T; 3]) -> (T, [T; 3]) {
        let g = g + decay * p;
        (p - rate * g, state)
    }

    fn source(&self) -> &'static str {
        wgsl!("optim/sgd")
    }
}

impl Default for Sgd {
    fn default() -> Self {
        Self::defaults(Convention::PyTorch)
    }
}

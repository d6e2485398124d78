//! Adagrad.

use super::fields::{self, Configurable, Field};
use super::{Convention, Hyper, Rule};
use crate::kernel::wgsl;
use crate::scalar::Number;

/// Adagrad: each parameter's rate falls with the sum of its squared gradients.
///
/// # Formula
///
/// ```text
/// g ← g + λ p                    (pytorch)
/// p ← p − η λ p                  (keras)
/// c ← c + g²                     starts at c₀
/// p ← p − η g / (√c + ε)         η here is η / (1 + (t − 1) κ) at step t = 1, 2, … (pytorch)
/// p ← p − η g / √(c + ε)         (keras, optax)
/// ```
///
/// | convention | η | ε | c₀ | κ | λ |
/// |---|---|---|---|---|---|
/// | `cs231n` | 1e-2 | 1e-8, outside | 0 | | |
/// | `paper` | 1e-2 | 1e-8, outside | 0 | | |
/// | `keras` | 1e-3 | 1e-7, inside | 0.1 | | 0 |
/// | `optax` | asked for; 1e-2 here | 1e-7, inside | 0.1 | | |
/// | `pytorch` | 1e-2 | 1e-10, outside | 0 | 0 | 0 |
///
/// The paper's δ is ε here; it names no numbers. Its matrix is the diagonal one, its domain all of space and its regulariser
/// none. Optax sets the step to 0 where c is 0, which it is anyway: g is 0 there. PyTorch's `lr_decay` κ is what the schedule
/// `inverse` with `unit = "step"` does too, and comes on top of any schedule.
///
/// # On the GPU
///
/// `shaders/optim/adagrad.wgsl`, one pass, one state: 20 bytes a parameter.
///
/// # Source
///
/// Duchi, Hazan & Singer, *Adaptive Subgradient Methods for Online Learning and Stochastic Optimization*, JMLR 12 (2011),
/// figure 1.
///
/// # Examples
///
/// Under a constant gradient, step t moves by η/√t:
///
/// ```
/// use thalweg::optim::{Adagrad, DynRule};
///
/// let rule = Adagrad::default();
/// let (mut p, mut sum) = ([0.0], [0.0]);
/// for t in 1..=4 {
///     rule.update_f64(&rule.hyper(t, 1.0), &[3.0], &mut p, &mut [&mut sum]);
/// }
/// assert_eq!(sum, [36.0]);
/// assert!((p[0] + 1.0 + 0.5_f64.sqrt() + (1.0_f64 / 3.0).sqrt() + 0.5).abs() < 1e-9);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adagrad {
    /// Whose arithmetic and defaults. Default `PyTorch`.
    pub convention: Convention,
    /// η. Positive. Default 1e-2 (keras: 1e-3).
    pub learning_rate: f64,
    /// κ, by which the rate falls with the steps. Not negative. Default 0; `PyTorch` only.
    pub lr_decay: f64,
    /// ε, in units of the gradient, or of its square in keras and optax. Positive. Default 1e-10 (cs231n, paper: 1e-8, of the
    /// course's 1e-4 … 1e-8; keras, optax: 1e-7).
    pub epsilon: f64,
    /// c₀, what the sum starts at. Not negative. Default 0 (keras, optax: 0.1); `Keras`, `Optax` and `PyTorch` only.
    pub initial_accumulator_value: f64,
    /// λ, added to the gradient as `λp` (keras: taken from the parameter as `ηλp`). Not negative. Default 0; `Keras` and
    /// `PyTorch` only.
    pub weight_decay: f64,
}

impl Configurable for Adagrad {
    const NAME: &'static str = "adagrad";
    const CONVENTIONS: &'static [Convention] = Convention::ALL;

    fn defaults(convention: Convention) -> Self {
        let (learning_rate, epsilon, initial_accumulator_value) = match convention {
            Convention::Cs231n | Convention::Paper => (1e-2, 1e-8, 0.0),
            Convention::Keras => (1e-3, 1e-7, 0.1),
            Convention::Optax => (1e-2, 1e-7, 0.1),
            Convention::PyTorch => (1e-2, 1e-10, 0.0),
        };
        Self { convention, learning_rate, lr_decay: 0.0, epsilon, initial_accumulator_value, weight_decay: 0.0 }
    }

    fn fields(&mut self) -> Vec<Field<'_>> {
        vec![
            Field::number("learning_rate", &mut self.learning_rate),
            Field::number("lr_decay", &mut self.lr_decay).only(&[Convention::PyTorch]),
            Field::number("epsilon", &mut self.epsilon),
            Field::number("initial_accumulator_value", &mut self.initial_accumulator_value).only(&[
                Convention::Keras,
                Convention::Optax,
                Convention::PyTorch,
            ]),
            Field::number("weight_decay", &mut self.weight_decay).only(&[Convention::Keras, Convention::PyTorch]),
        ]
    }
}

impl Rule for Adagrad {
    fields::configured!();

    fn states(&self) -> &'static [&'static str] {
        &["sum"]
    }

    fn initial_state(&self, _: usize) -> f64 {
        self.initial_accumulator_value
    }

    fn hyper(&self, step: u64, learning_rate: f64) -> Hyper {
        let rate = learning_rate / (1.0 + step.saturating_sub(1) as f64 * self.lr_decay);
        let (coupled, decoupled) = self.convention.decays(learning_rate, self.weight_decay);
        let (outside, inside) = match self.convention {
            Convention::Keras | Convention::Optax => (0.0, self.epsilon),
            _ => (self.epsilon, 0.0),
        };
        super::rule::hyper([rate, outside, coupled, decoupled, inside])
    }

    #[inline]
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, [c, x, y]: [T; 3]) -> (T, [T; 3]) {
        let &[rate, outside, coupled, decoupled, inside, ..] = h;
        let g = g + coupled * p;
        let p = p - decoupled * p;
        let c = c + g * g;
        (p - rate * g / ((c + inside).sqrt() + outside), [c, x, y])
    }

    fn source(&self) -> &'static str {
        wgsl!("optim/adagrad")
    }
}

impl Default for Adagrad {
    fn default() -> Self {
        Self::defaults(Convention::PyTorch)
    }
}

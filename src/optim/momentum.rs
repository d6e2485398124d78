//! Momentum, the heavy ball.

use super::fields::{self, Configurable, Field};
use super::{Convention, Hyper, Rule};
use crate::kernel::wgsl;
use crate::scalar::Number;

/// Momentum: a step along a decaying sum of the gradients.
///
/// # Formula
///
/// ```text
/// optax, pytorch              cs231n, paper, keras
/// g ← g + λ p   (pytorch)     p ← p − η λ p   (keras)
/// b ← μ b + (1 − τ) g         v ← μ v − η g
/// p ← p − η b                 p ← p + v
/// ```
///
/// | convention | η | μ | τ | λ |
/// |---|---|---|---|---|
/// | `cs231n` | 1e-2 | 0.9 | | |
/// | `paper` | 1e-2 | 0.9 | | |
/// | `keras` | 1e-2 | 0.9 | | 0 |
/// | `optax` | asked for; 1e-3 here | 0.9 | | |
/// | `pytorch` | 1e-3 | 0.9 | 0 | 0 |
///
/// The libraries' `SGD` leaves momentum out unless told otherwise; this rule has 0.9 everywhere. The paper names no
/// numbers; it writes `v` as the last move, `x⁺ = x − η g + μ (x − x⁻)`.
///
/// The two forms agree while η is constant (v = −ηb). When η falls, the velocity on the right still carries the steps of the
/// larger η. Both are `b ← μ b + a g; p ← p + c b`, with (a, c) = (1 − τ, −η) or (−η, 1): one kernel. PyTorch's first step
/// is `b = g` whatever its `dampening` τ: a = 1 there.
///
/// # On the GPU
///
/// `shaders/optim/momentum.wgsl`, one pass, one state: 20 bytes a parameter.
///
/// # Source
///
/// Polyak, *Some methods of speeding up the convergence of iteration methods* (1964), the two-step method of its title.
///
/// # Examples
///
/// ```
/// use thalweg::optim::{Convention, DynRule, Momentum};
///
/// let rule = Momentum { convention: Convention::Cs231n, momentum: 0.5, ..Momentum::default() };
/// let (mut p, mut v) = ([0.0], [0.0]);
/// rule.update_f64(&rule.hyper(1, 1.0), &[1.0], &mut p, &mut [&mut v]);
/// rule.update_f64(&rule.hyper(2, 0.5), &[1.0], &mut p, &mut [&mut v]);
/// assert_eq!((p, v), ([-2.0], [-1.0])); // −1, then −1 + (½·(−1) − ½·1)
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Momentum {
    /// Whose arithmetic and defaults. Default `PyTorch`.
    pub convention: Convention,
    /// η. Positive. Default 1e-3 (cs231n, paper, keras: 1e-2).
    pub learning_rate: f64,
    /// μ, the part of the velocity that a step keeps. In `[0, 1)`. Default 0.9, where the libraries' `SGD` has 0.
    pub momentum: f64,
    /// τ, the part of a gradient that the buffer does not take, but for the first step's. In `[0, 1)`. Default 0;
    /// `PyTorch` only.
    pub dampening: f64,
    /// λ, added to the gradient as `λp` (keras: taken from the parameter as `ηλp`). Not negative. Default 0; `Keras` and
    /// `PyTorch` only.
    pub weight_decay: f64,
}

impl Configurable for Momentum {
    const NAME: &'static str = "momentum";
    const CONVENTIONS: &'static [Convention] = Convention::ALL;

    fn defaults(convention: Convention) -> Self {
        let learning_rate = if inside(convention) { 1e-2 } else { 1e-3 };
        Self { convention, learning_rate, momentum: 0.9, dampening: 0.0, weight_decay: 0.0 }
    }

    fn fields(&mut self) -> Vec<Field<'_>> {
        vec![
            Field::number("learning_rate", &mut self.learning_rate),
            Field::number("momentum", &mut self.momentum),
            Field::number("dampening", &mut self.dampening).only(&[Convention::PyTorch]),
            Field::number("weight_decay", &mut self.weight_decay).only(&[Convention::Keras, Convention::PyTorch]),
        ]
    }
}

/// Whether the velocity holds η.
fn inside(convention: Convention) -> bool {
    matches!(convention, Convention::Cs231n | Convention::Paper | Convention::Keras)
}

/// μ, a, c, λ, κ of `p ← p − κ p; b ← μ b + a (g + λ p); p ← p + c b`.
pub(super) fn hyper(convention: Convention, rate: f64, momentum: f64, decay: f64) -> Hyper {
    let (a, c) = if inside(convention) { (-rate, 1.0) } else { (1.0, -rate) };
    let (coupled, decoupled) = convention.decays(rate, decay);
    super::rule::hyper([momentum, a, c, coupled, decoupled])
}

impl Rule for Momentum {
    fields::configured!();

    fn states(&self) -> &'static [&'static str] {
        &["momentum_buffer"]
    }

    fn hyper(&self, step: u64, learning_rate: f64) -> Hyper {
        let mut numbers = hyper(self.convention, learning_rate, self.momentum, self.weight_decay);
        if step > 1 && self.convention == Convention::PyTorch {
            numbers[1] = 1.0 - self.dampening;
        }
        numbers
    }

    #[inline]
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, [b, x, y]: [T; 3]) -> (T, [T; 3]) {
        let &[mu, a, c, coupled, decoupled, ..] = h;
        let g = g + coupled * p;
        let p = p - decoupled * p;
        let b = mu * b + a * g;
        (p + c * b, [b, x, y])
    }

    fn source(&self) -> &'static str {
        wgsl!("optim/momentum")
    }
}

impl Default for Momentum {
    fn default() -> Self {
        Self::defaults(Convention::PyTorch)
    }
}

//! Nesterov's accelerated gradient.

use super::fields::{self, Configurable, Field};
use super::{Convention, Hyper, Momentum, Rule};
use crate::kernel::wgsl;
use crate::scalar::Number;

/// Nesterov momentum: the gradient is meant where the velocity will have carried the parameter.
///
/// # Formula
///
/// ```text
/// optax, pytorch              cs231n (rearranged)              keras
/// g ← g + λ p   (pytorch)                                      p  ← p − η λ p
/// b ← μ b + g                 v′ ← μ v − η g                   v′ ← μ v − η g
/// p ← p − η (g + μ b)         p  ← p − μ v + (1 + μ) v′        p  ← p + μ v′ − η g
///
/// paper (look-ahead)
/// v ← μ v − η ∇f(x + μ v)
/// x ← x + v
/// ```
///
/// | convention | η | μ | λ |
/// |---|---|---|---|
/// | `cs231n` | 1e-2 | 0.9 | |
/// | `paper` | 1e-2 | 0.9 | |
/// | `keras` | 1e-2 | 0.9 | 0 |
/// | `optax` | asked for; 1e-3 here | 0.9 | |
/// | `pytorch` | 1e-3 | 0.9 | 0 |
///
/// In cs231n `−μ v + v′ = −η g`, so its step is keras's. All are `b ← μ b + a g; p ← p + c (μ b + a g)` with
/// (a, c) = (1, −η) or (−η, 1): one kernel. They agree while η is constant. The parameters held are the look-ahead ones, where
/// the gradient is taken: `p = x + μ v` of the paper's form, whose `x` is `p − μ v`. There is no `dampening`: PyTorch refuses
/// any but 0 with Nesterov. The paper's μ and η follow schedules of its own, so that it has no defaults.
///
/// # On the GPU
///
/// `shaders/optim/nesterov.wgsl`, one pass, one state: 20 bytes a parameter.
///
/// # Source
///
/// Nesterov, *A method of solving a convex programming problem with convergence rate O(1/k²)* (1983), in the form of
/// Sutskever et al., *On the importance of initialization and momentum in deep learning*, ICML 2013, §2, and Bengio et
/// al., arXiv 1212.0901, §3.5 (rearranged).
///
/// # Examples
///
/// The first step is `1 + μ` times that of plain descent:
///
/// ```
/// use thalweg::optim::{DynRule, Nesterov};
///
/// let rule = Nesterov { momentum: 0.5, ..Nesterov::default() };
/// let (mut p, mut b) = ([0.0], [0.0]);
/// rule.update_f64(&rule.hyper(1, 1.0), &[1.0], &mut p, &mut [&mut b]);
/// assert_eq!((p, b), ([-1.5], [1.0]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nesterov {
    /// Whose arithmetic and defaults. Default `PyTorch`.
    pub convention: Convention,
    /// η. Positive. Default 1e-3 (cs231n, paper, keras: 1e-2).
    pub learning_rate: f64,
    /// μ, the part of the velocity that a step keeps. In `[0, 1)`. Default 0.9.
    pub momentum: f64,
    /// λ, added to the gradient as `λp` (keras: taken from the parameter as `ηλp`). Not negative. Default 0; `Keras` and
    /// `PyTorch` only.
    pub weight_decay: f64,
}

impl Configurable for Nesterov {
    const NAME: &'static str = "nesterov";
    const CONVENTIONS: &'static [Convention] = Convention::ALL;

    fn defaults(convention: Convention) -> Self {
        let Momentum { convention, learning_rate, momentum, weight_decay, .. } = Momentum::defaults(convention);
        Self { convention, learning_rate, momentum, weight_decay }
    }

    fn fields(&mut self) -> Vec<Field<'_>> {
        vec![
            Field::number("learning_rate", &mut self.learning_rate),
            Field::number("momentum", &mut self.momentum),
            Field::number("weight_decay", &mut self.weight_decay).only(&[Convention::Keras, Convention::PyTorch]),
        ]
    }
}

impl Rule for Nesterov {
    fields::configured!();

    fn states(&self) -> &'static [&'static str] {
        &["momentum_buffer"]
    }

    fn hyper(&self, _: u64, learning_rate: f64) -> Hyper {
        super::momentum::hyper(self.convention, learning_rate, self.momentum, self.weight_decay)
    }

    #[inline]
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, [b, x, y]: [T; 3]) -> (T, [T; 3]) {
        let &[mu, a, c, coupled, decoupled, ..] = h;
        let g = g + coupled * p;
        let p = p - decoupled * p;
        let b = mu * b + a * g;
        (p + c * (mu * b + a * g), [b, x, y])
    }

    fn source(&self) -> &'static str {
        wgsl!("optim/nesterov")
    }
}

impl Default for Nesterov {
    fn default() -> Self {
        Self::defaults(Convention::PyTorch)
    }
}

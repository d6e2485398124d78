//! RMSprop, plain, centred, and with momentum.

use super::fields::{self, Configurable, Field};
use super::{Convention, Hyper, Rule};
use crate::error::OptimError;
use crate::kernel::wgsl;
use crate::scalar::Number;

/// RMSprop: the gradient divided by the root of its running mean square.
///
/// # Formula
///
/// ```text
/// g ← g + λ p                                  (pytorch)
/// v ← ρ v + (1 − ρ) g²                         starts at 0
/// m ← ρ m + (1 − ρ) g                          (pytorch, if centered)
/// d = g / (√v + ε)                             or  g / (√max(v − m², 0) + ε)  if centered
/// p ← p − η d                                  or, with momentum, b ← μ b + d; p ← p − η b
/// ```
///
/// `v − m²`, a variance, may come out below 0 by cancellation: it is clamped, which PyTorch does not do. Under a constant
/// gradient it tends to 0 and the step to ηg/ε: give a centred rule a larger ε.
///
/// # On the GPU
///
/// One pass; `shaders/optim/rmsprop.wgsl` (one state, 20 bytes a parameter), `rmsprop_momentum.wgsl` and
/// `rmsprop_centered.wgsl` (two, 28), `rmsprop_centered_momentum.wgsl` (three, 36). Without momentum no buffer is kept.
///
/// # Source
///
/// Hinton, *Neural Networks for Machine Learning*, Coursera, lecture 6e (2012); centred: Graves, arXiv 1308.0850, §4.2.
///
/// # Examples
///
/// The first step is `η/√(1 − ρ)`, whatever the gradient's size:
///
/// ```
/// use thalweg::optim::{DynRule, RmsProp};
///
/// let rule = RmsProp::default();
/// let (mut p, mut v) = ([0.0, 0.0], [0.0, 0.0]);
/// rule.update_f64(&rule.hyper(1, 0.01), &[5.0, -300.0], &mut p, &mut [&mut v]);
/// assert!((p[0] + 0.1_f64).abs() < 1e-8 && (p[1] - 0.1).abs() < 1e-8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsProp {
    /// Whose arithmetic and defaults. Default `PyTorch`.
    pub convention: Convention,
    /// η. Positive. Default 1e-2.
    pub learning_rate: f64,
    /// ρ (PyTorch's α), the decay of the running means. In `[0, 1)`. Default 0.99; CS231n's notes name 0.9, 0.99, 0.999.
    pub decay: f64,
    /// ε, in units of the gradient, outside the root. Positive. Default 1e-8.
    pub epsilon: f64,
    /// Whether the root is of the variance instead of the mean square. Default off; `PyTorch` only.
    pub centered: bool,
    /// μ. In `[0, 1)`. Default 0, which keeps no buffer; `PyTorch` only.
    pub momentum: f64,
    /// λ, added to the gradient as `λp`. Not negative. Default 0; `PyTorch` only.
    pub weight_decay: f64,
}

impl Configurable for RmsProp {
    const NAME: &'static str = "rmsprop";
    const CONVENTIONS: &'static [Convention] = &[Convention::Cs231n, Convention::PyTorch];

    fn defaults(convention: Convention) -> Self {
        let (learning_rate, decay, epsilon) = (1e-2, 0.99, 1e-8);
        Self { convention, learning_rate, decay, epsilon, centered: false, momentum: 0.0, weight_decay: 0.0 }
    }

    fn fields(&mut self) -> Vec<Field<'_>> {
        vec![
            Field::number("learning_rate", &mut self.learning_rate),
            Field::number("decay", &mut self.decay),
            Field::number("epsilon", &mut self.epsilon),
            Field::flag("centered", &mut self.centered).only(&[Convention::PyTorch]),
            Field::number("momentum", &mut self.momentum).only(&[Convention::PyTorch]),
            Field::number("weight_decay", &mut self.weight_decay).only(&[Convention::PyTorch]),
        ]
    }
}

impl Rule for RmsProp {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn convention(&self) -> Convention {
        self.convention
    }

    fn validate(&self) -> Result<(), OptimError> {
        fields::validate(self)
    }

    fn validate_f32(&self) -> Result<(), OptimError> {
        fields::validate_f32(self)
    }

    fn with(&self, field: &str, value: f64) -> Result<Self, OptimError> {
        fields::with(self, field, value)
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn states(&self) -> &'static [&'static str] {
        match (self.centered, self.momentum > 0.0) {
            (false, false) => &["square_avg"],
            (false, true) => &["square_avg", "momentum_buffer"],
            (true, false) => &["square_avg", "grad_avg"],
            (true, true) => &["square_avg", "grad_avg", "momentum_buffer"],
        }
    }

    fn hyper(&self, _: u64, learning_rate: f64) -> Hyper {
        let rho = self.decay;
        super::rule::hyper([learning_rate, rho, 1.0 - rho, self.epsilon, self.momentum, self.weight_decay])
    }

    #[inline]
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, [v, x, y]: [T; 3]) -> (T, [T; 3]) {
        let &[rate, rho, rest, epsilon, mu, decay, ..] = h;
        let g = g + decay * p;
        let v = rho * v + rest * g * g;
        match (self.centered, self.momentum > 0.0) {
            (false, false) => (p - rate * g / (v.sqrt() + epsilon), [v, x, y]),
            (false, true) => {
                let b = mu * x + g / (v.sqrt() + epsilon);
                (p - rate * b, [v, b, y])
            }
            (true, momentum) => {
                let m = rho * x + rest * g;
                let variance = (v - m * m).max(T::of(0.0));
                if momentum {
                    let b = mu * y + g / (variance.sqrt() + epsilon);
                    (p - rate * b, [v, m, b])
                } else {
                    (p - rate * g / (variance.sqrt() + epsilon), [v, m, y])
                }
            }
        }
    }

    fn source(&self) -> &'static str {
        match (self.centered, self.momentum > 0.0) {
            (false, false) => wgsl!("optim/rmsprop"),
            (false, true) => wgsl!("optim/rmsprop_momentum"),
            (true, false) => wgsl!("optim/rmsprop_centered"),
            (true, true) => {
                wgsl!("optim/rmsprop_centered_momentum")
            }
        }
    }
}

impl Default for RmsProp {
    fn default() -> Self {
        Self::defaults(Convention::PyTorch)
    }
}

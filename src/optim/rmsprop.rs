//! RMSprop, plain, centred, and with momentum.

use super::adam::correction;
use super::fields::{self, Configurable, Field};
use super::{Convention, Hyper, Rule};
use crate::kernel::wgsl;
use crate::scalar::Number;

/// RMSprop: the gradient divided by the root of its running mean square.
///
/// # Formula
///
/// ```text
/// g ← g + λ p                                  (pytorch)
/// p ← p − η λ p                                (keras)
/// v ← ρ v + (1 − ρ) g²                         starts at 0 (optax: initial_scale)
/// m ← ρ m + (1 − ρ) g                          if centered
/// w = v                                        or  max(v − m², 0)  if centered
/// u = g / (√w + ε)                             or  g / √(w + ε)  by convention
/// p ← p − η u                                  without momentum
/// ```
///
/// | convention | ε | momentum | η | ρ | ε | μ, centered | λ |
/// |---|---|---|---|---|---|---|---|
/// | `cs231n` | outside | | 1e-2 | 0.99 | 1e-8 | | |
/// | `paper` | inside | `b ← μ b − η u; p ← p + b` | 1e-4 | 0.95 | 1e-4 | 0.9, on | |
/// | `keras` | inside | `b ← μ b + η u; p ← p − b` | 1e-3 | 0.9 | 1e-7 | 0, off | 0 |
/// | `optax` | inside | `b ← μ b − η u; p ← p + b` | asked for; 1e-2 here | 0.9 | 1e-8 | 0, off | |
/// | `pytorch` | outside | `b ← μ b + u; p ← p − η b` | 1e-2 | 0.99 | 1e-8 | 0, off | 0 |
///
/// The paper is Graves's, which first wrote RMSprop down; Hinton's slide has neither centring nor ε. Optax further has
/// `epsilon_in_root = false` (ε outside), `bias_correction` (v and m divided by 1 − ρᵗ), `nesterov` (`p ← p + μ b − η u`) and
/// `initial_scale`: 1 is what TensorFlow 1 started with.
///
/// `v − m²`, a variance, may come out below 0 by cancellation: it is clamped, which no library does. Under a constant
/// gradient it tends to 0 and the step to ηg/ε: give a centred rule a larger ε. With `bias_correction` it is 0 at the first
/// step, whatever the gradient.
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
    /// η. Positive. Default 1e-2 (paper: 1e-4; keras: 1e-3).
    pub learning_rate: f64,
    /// ρ (PyTorch's α), the decay of the running means. In `[0, 1)`. Default 0.99 (paper: 0.95; keras, optax: 0.9); CS231n's
    /// notes name 0.9, 0.99, 0.999.
    pub decay: f64,
    /// ε, in units of the gradient, or of its square where it stands inside the root. Positive. Default 1e-8 (paper: 1e-4;
    /// keras: 1e-7).
    pub epsilon: f64,
    /// Whether ε stands inside the root. Off in `Cs231n` and `PyTorch`, on in the others; `Optax` only can choose.
    pub epsilon_in_root: bool,
    /// Whether the root is of the variance instead of the mean square. Default off; always off in `Cs231n`, on in `Paper`.
    pub centered: bool,
    /// μ. In `[0, 1)`. Default 0, which keeps no buffer (paper: 0.9); not in `Cs231n`.
    pub momentum: f64,
    /// Whether the step is the one that the velocity will have carried on, as in [`Nesterov`](super::Nesterov); without
    /// momentum it changes nothing. Default off; `Optax` only.
    pub nesterov: bool,
    /// Whether the running means are corrected for starting at 0. Default off; `Optax` only.
    pub bias_correction: bool,
    /// What v starts at. Not negative. Default 0; `Optax` only.
    pub initial_scale: f64,
    /// λ, added to the gradient as `λp` (keras: taken from the parameter as `ηλp`). Not negative. Default 0; `Keras` and
    /// `PyTorch` only.
    pub weight_decay: f64,
}

impl Configurable for RmsProp {
    const NAME: &'static str = "rmsprop";
    const CONVENTIONS: &'static [Convention] = Convention::ALL;

    fn defaults(convention: Convention) -> Self {
        let (learning_rate, decay, epsilon) = match convention {
            Convention::Cs231n | Convention::PyTorch => (1e-2, 0.99, 1e-8),
            Convention::Paper => (1e-4, 0.95, 1e-4),
            Convention::Keras => (1e-3, 0.9, 1e-7),
            Convention::Optax => (1e-2, 0.9, 1e-8),
        };
        let graves = convention == Convention::Paper;
        Self {
            convention,
            learning_rate,
            decay,
            epsilon,
            epsilon_in_root: !matches!(convention, Convention::Cs231n | Convention::PyTorch),
            centered: graves,
            momentum: if graves { 0.9 } else { 0.0 },
            nesterov: false,
            bias_correction: false,
            initial_scale: 0.0,
            weight_decay: 0.0,
        }
    }

    fn fields(&mut self) -> Vec<Field<'_>> {
        vec![
            Field::number("learning_rate", &mut self.learning_rate),
            Field::number("decay", &mut self.decay),
            Field::number("epsilon", &mut self.epsilon),
            Field::flag("epsilon_in_root", &mut self.epsilon_in_root).only(&[Convention::Optax]),
            Field::flag("centered", &mut self.centered).only(&[
                Convention::Keras,
                Convention::Optax,
                Convention::PyTorch,
            ]),
            Field::number("momentum", &mut self.momentum).only(&[
                Convention::Paper,
                Convention::Keras,
                Convention::Optax,
                Convention::PyTorch,
            ]),
            Field::flag("nesterov", &mut self.nesterov).only(&[Convention::Optax]),
            Field::flag("bias_correction", &mut self.bias_correction).only(&[Convention::Optax]),
            Field::number("initial_scale", &mut self.initial_scale).only(&[Convention::Optax]),
            Field::number("weight_decay", &mut self.weight_decay).only(&[Convention::Keras, Convention::PyTorch]),
        ]
    }
}

impl Rule for RmsProp {
    fields::configured!();

    fn states(&self) -> &'static [&'static str] {
        match (self.centered, self.momentum > 0.0) {
            (false, false) => &["square_avg"],
            (false, true) => &["square_avg", "momentum_buffer"],
            (true, false) => &["square_avg", "grad_avg"],
            (true, true) => &["square_avg", "grad_avg", "momentum_buffer"],
        }
    }

    fn initial_state(&self, state: usize) -> f64 {
        if state == 0 { self.initial_scale } else { 0.0 }
    }

    fn hyper(&self, step: u64, learning_rate: f64) -> Hyper {
        let (rho, mu) = (self.decay, self.momentum);
        let scale = if self.bias_correction { 1.0 / correction(rho, step) } else { 1.0 };
        let (inside, outside) = if self.epsilon_in_root { (self.epsilon, 0.0) } else { (0.0, self.epsilon) };
        let (coupled, decoupled) = self.convention.decays(learning_rate, self.weight_decay);
        // b ← μ b + a u; p ← p − (x b + y u)
        let (a, x, y) = match self.convention {
            Convention::Keras => (learning_rate, 1.0, 0.0),
            Convention::Optax if self.nesterov => (-learning_rate, -mu, learning_rate),
            Convention::Optax | Convention::Paper => (-learning_rate, -1.0, 0.0),
            Convention::Cs231n | Convention::PyTorch => (1.0, learning_rate, 0.0),
        };
        [rho, 1.0 - rho, scale, inside, outside, coupled, decoupled, learning_rate, mu, a, x, y]
    }

    #[inline]
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, [v, second, third]: [T; 3]) -> (T, [T; 3]) {
        let &[rho, rest, scale, inside, outside, coupled, decoupled, rate, mu, a, x, y] = h;
        let g = g + coupled * p;
        let p = p - decoupled * p;
        let v = rho * v + rest * g * g;
        if self.centered {
            let m = rho * second + rest * g;
            let mean = m * scale;
            let variance = (v * scale - mean * mean).max(T::of(0.0));
            let root = (variance + inside).sqrt() + outside;
            if self.momentum > 0.0 {
                let u = g / root;
                let b = mu * third + a * u;
                return (p - (x * b + y * u), [v, m, b]);
            }
            return (p - rate * g / root, [v, m, third]);
        }
        let root = (v * scale + inside).sqrt() + outside;
        if self.momentum > 0.0 {
            let u = g / root;
            let b = mu * second + a * u;
            return (p - (x * b + y * u), [v, b, third]);
        }
        (p - rate * g / root, [v, second, third])
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

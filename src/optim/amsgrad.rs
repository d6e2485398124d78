//! AMSGrad.

use super::adam::{correction, rates};
use super::fields::{self, Configurable, Field};
use super::{Convention, Hyper, Rule};
use crate::kernel::wgsl;
use crate::scalar::Number;

/// AMSGrad: Adam whose divisor never falls, so that a rare large gradient is not forgotten.
///
/// # Formula
///
/// At step `t = 1, 2, …`:
///
/// ```text
/// g ← g + λ p                                  (pytorch)
/// p ← p − η λ p                                (keras; pytorch, if decoupled)
/// m ← β₁ m + (1 − β₁) g                        starts at 0
/// v ← β₂ v + (1 − β₂) g²                       starts at 0
/// u ← max(u, v)                                starts at 0 (optax: u ← max(u, v̂))
/// p ← p − η Δ
/// ```
///
/// with `c₁ = 1 − β₁ᵗ`, `c₂ = 1 − β₂ᵗ`, `m̂ = m / c₁` and `v̂ = v / c₂`:
///
/// | convention | Δ | η | β₁, β₂ | ε | λ |
/// |---|---|---|---|---|---|
/// | `paper` | `m / (√u + ε)` | 1e-3 | 0.9, 0.999 | 1e-8 | |
/// | `keras` | `√c₂/c₁ · m / (√u + ε)` | 1e-3 | 0.9, 0.999 | 1e-7 | 0 |
/// | `optax` | `m̂ / (√(u + ε′) + ε)` | asked for; 1e-3 here | 0.9, 0.999 | 1e-8, ε′ = 0 | |
/// | `pytorch` | `m̂ / (√(u / c₂) + ε)` | 1e-3 | 0.9, 0.999 | 1e-8 | 0 |
///
/// The conventions differ in more than ε. Optax keeps the largest *corrected* mean square, and v̂ of the first steps is as large
/// as their g²: large gradients at the start slow it down for good. PyTorch and Keras correct the largest mean square. The paper
/// has no correction and no ε, for which Adam's 1e-8 stands in; its projection is onto all of space. Optax gives the paper's
/// form with both of its `bias_correction` flags off.
///
/// # On the GPU
///
/// `shaders/optim/amsgrad.wgsl`, one pass, three states: 36 bytes a parameter.
///
/// # Source
///
/// Reddi, Kale & Kumar, *On the Convergence of Adam and Beyond*, ICLR 2018, arXiv 1904.09237, algorithm 2.
///
/// # Examples
///
/// After one gradient of 1 and many of 0, v has faded and the divisor has not:
///
/// ```
/// use thalweg::optim::{AmsGrad, DynRule};
///
/// let rule = AmsGrad { beta2: 0.5, ..AmsGrad::default() };
/// let (mut p, mut m, mut v, mut u) = ([0.0], [0.0], [0.0], [0.0]);
/// for t in 1..=10 {
///     let g = if t == 1 { 1.0 } else { 0.0 };
///     rule.update_f64(&rule.hyper(t, 0.1), &[g], &mut p, &mut [&mut m, &mut v, &mut u]);
/// }
/// assert_eq!((v, u), ([0.5_f64.powi(10)], [0.5]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AmsGrad {
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
    /// Whether m is corrected for starting at 0. Default on; `Optax` only can switch it off, the paper has none.
    pub bias_correction_mu: bool,
    /// Whether v is corrected for starting at 0 before it is compared. Default on; `Optax` only can switch it off.
    pub bias_correction_nu: bool,
    /// λ, added to the gradient as `λp` (keras: taken from the parameter as `ηλp`). Not negative. Default 0; `Keras` and
    /// `PyTorch` only.
    pub weight_decay: f64,
    /// Whether the decay is taken from the parameter as `ηλp` instead: `AdamW(amsgrad=True)`. Default off; `PyTorch` only.
    pub decoupled_weight_decay: bool,
}

impl Configurable for AmsGrad {
    const NAME: &'static str = "amsgrad";
    const CONVENTIONS: &'static [Convention] =
        &[Convention::Paper, Convention::Keras, Convention::Optax, Convention::PyTorch];

    fn defaults(convention: Convention) -> Self {
        let corrected = convention != Convention::Paper;
        Self {
            convention,
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: if convention == Convention::Keras { 1e-7 } else { 1e-8 },
            epsilon_root: 0.0,
            bias_correction_mu: corrected,
            bias_correction_nu: corrected,
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
            Field::flag("bias_correction_mu", &mut self.bias_correction_mu).only(&[Convention::Optax]),
            Field::flag("bias_correction_nu", &mut self.bias_correction_nu).only(&[Convention::Optax]),
            Field::number("weight_decay", &mut self.weight_decay).only(&[Convention::Keras, Convention::PyTorch]),
            Field::flag("decoupled_weight_decay", &mut self.decoupled_weight_decay).only(&[Convention::PyTorch]),
        ]
    }
}

impl Rule for AmsGrad {
    fields::configured!();

    fn states(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"]
    }

    fn hyper(&self, step: u64, learning_rate: f64) -> Hyper {
        let &Self { convention, beta1, beta2, epsilon, .. } = self;
        let c1 = if self.bias_correction_mu { correction(beta1, step) } else { 1.0 };
        let c2 = if self.bias_correction_nu { correction(beta2, step) } else { 1.0 };
        // Optax corrects what is compared, the others the largest.
        let (before, after) = if convention == Convention::Optax { (c2, 1.0) } else { (1.0, c2) };
        let (alpha, root) = rates(convention, learning_rate, c1, after);
        let (coupled, decoupled) = match self.decoupled_weight_decay {
            true => (0.0, learning_rate * self.weight_decay),
            false => convention.decays(learning_rate, self.weight_decay),
        };
        let (rest1, rest2) = (1.0 - beta1, 1.0 - beta2);
        let (inside, scale) = (self.epsilon_root, 1.0 / before);
        super::rule::hyper([alpha, root, beta1, rest1, beta2, rest2, epsilon, coupled, decoupled, inside, scale])
    }

    #[inline]
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, [m, v, u]: [T; 3]) -> (T, [T; 3]) {
        let &[alpha, root, beta1, rest1, beta2, rest2, epsilon, coupled, decoupled, inside, scale, _] = h;
        let g = g + coupled * p;
        let p = p - decoupled * p;
        let m = beta1 * m + rest1 * g;
        let v = beta2 * v + rest2 * g * g;
        let u = u.max(v * scale);
        (p - alpha * m / ((u + inside).sqrt() * root + epsilon), [m, v, u])
    }

    fn source(&self) -> &'static str {
        wgsl!("optim/amsgrad")
    }
}

impl Default for AmsGrad {
    fn default() -> Self {
        Self::defaults(Convention::PyTorch)
    }
}

//! Muon.

use super::adam::correction;
use super::fields::{self, Configurable, Field};
use super::nadam;
use super::{Convention, Hyper, Operands, Rule, TensorRule, Transformed};
use crate::error::GraphError;
use crate::graph::{Graph, NodeId};
use crate::kernel::wgsl;
use crate::scalar::Number;
use crate::shape::Shape;

/// Muon: momentum whose matrix is made orthogonal, so that every direction of a layer is learnt equally fast; AdamW for what is
/// no matrix.
///
/// # Formula
///
/// For a tensor of two axes, `[out, in]`, at step `t = 1, 2, …`:
///
/// ```text
/// m ← μ m + (1 − μ) g                          starts at 0; keras: m ← μ m + g
/// n = μ m + (1 − μ) g                          pytorch; keras: μ m + g; without nesterov n = m
/// n = μ m / (1 − μᵗ⁺¹) + (1 − μ) g / (1 − μᵗ)  optax; without nesterov n = m / (1 − μᵗ)
/// X = n / max(‖n‖, ε)                          keras, optax: n / (‖n‖ + ε); ‖·‖ of all elements
/// X ← 3.4445 X − 4.7750 (X Xᵀ) X + 2.0315 (X Xᵀ)² X         ns_steps times
/// p ← p − η λ p
/// p ← p − η s X                                s = r √max(out, in); for r = 0 √max(1, out/in), keras: 1
/// ```
///
/// The iteration brings all singular values near 1, into about 0.7 to 1.2; it does not converge to 1. Where `out > in` it runs on
/// `XᵀX`, the smaller product. r is PyTorch's `adjust_lr_fn`: 0 is `original`, 0.2 is `match_rms_adamw`; Optax's
/// `consistent_rms`, where 0 is `None`; Keras's `rms_rate`. The weights of Keras and Optax are `[in, out]`, those here PyTorch's:
/// s is by what the axes mean. PyTorch iterates in bfloat16; here it is f32 (on the cpu device in f64: f64), so a run follows
/// PyTorch's to within bfloat16's rounding only, and the same code in f64 to within f64's.
///
/// Other tensors, of one axis or of four (all three libraries), are AdamW's: of the same convention, in Optax with
/// [`Nadam`](super::Nadam)'s mean if `nesterov`, in Keras with ε̂. PyTorch's Muon refuses them and leaves AdamW to the user. All
/// matrices are Muon's, those of embeddings and the last layer too. A parameter group's decay is that of all its tensors,
/// AdamW's too.
///
/// | | η | μ | ε | r | λ | λ of AdamW | ε of AdamW |
/// |---|---|---|---|---|---|---|---|
/// | `keras` | 1e-3 | 0.95 | 1e-7, fixed | 0.2 | 0.004 | 0.004 | 1e-7 |
/// | `optax` | 1e-3 (it has none) | 0.95 | 1e-8 | 0 | 0 | 0 | ε |
/// | `pytorch` | 1e-3 | 0.95 | 1e-7 | 0 | 0.1 | 0.01 | 1e-8 |
///
/// # On the GPU
///
/// For a matrix of m by n, m ≤ n: `2·(2 m n m + m³)` flops an iteration, as launches of the products' kernels; one state. For the
/// rest `shaders/optim/nadam.wgsl`, two states.
///
/// # Source
///
/// Jordan et al., *Muon: An optimizer for hidden layers in neural networks*, 2024; Liu et al., *Muon is Scalable for LLM Training*,
/// arXiv 2502.16982 (r, λ).
///
/// # Examples
///
/// ```
/// use thalweg::optim::{DynRule, Muon};
///
/// let muon = Muon::default();
/// let rule = muon.tensor_rule().expect("for matrices");
/// assert!(rule.takes(&[10, 64].into()) && !rule.takes(&[10].into()) && !rule.takes(&[8, 3, 3, 3].into()));
/// let (mut p, mut m, mut v) = ([1.0], [0.0], [0.0]); // a bias: AdamW
/// muon.update_f64(&DynRule::hyper(&muon, 1, 0.1), &[2.0], &mut p, &mut [&mut m, &mut v]);
/// assert!((p[0] - 0.899_f64).abs() < 1e-8); // 1 − 0.1·0.01·1 − 0.1
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Muon {
    /// Whose arithmetic and defaults. Default `PyTorch`.
    pub convention: Convention,
    /// η. Positive. Default 1e-3.
    pub learning_rate: f64,
    /// μ, the decay of the momentum. In `[0, 1)`. Default 0.95.
    pub momentum: f64,
    /// Whether the momentum looks a step ahead. Default on.
    pub nesterov: bool,
    /// ε below the norm. Positive. Default 1e-7 (`Optax`: 1e-8, for AdamW as well); `Keras` has it fixed.
    pub epsilon: f64,
    /// Iterations, a whole number of 1 to 99. Default 5.
    pub ns_steps: f64,
    /// r, the root mean square of a step beside η. Not negative. Default 0 (`Keras`: 0.2).
    pub rms_rate: f64,
    /// λ of matrices. Not negative. Default 0.1 (`Keras`: 0.004, `Optax`: 0).
    pub weight_decay: f64,
    /// AdamW's rate beside η. Positive. Default 1.
    pub adam_lr_ratio: f64,
    /// AdamW's β₁. In `[0, 1)`. Default 0.9.
    pub beta1: f64,
    /// AdamW's β₂. In `[0, 1)`. Default 0.999.
    pub beta2: f64,
    /// AdamW's ε. Positive. Default 1e-8 (`Keras`: 1e-7); `Optax` has one ε.
    pub adam_epsilon: f64,
    /// AdamW's λ. Not negative. Default 0.01 (`Keras`: 0.004, `Optax`: 0).
    pub adam_weight_decay: f64,
}

const A: f64 = 3.4445;
const B: f64 = -4.7750;
const C: f64 = 2.0315;

impl Configurable for Muon {
    const NAME: &'static str = "muon";
    const CONVENTIONS: &'static [Convention] = &[Convention::Keras, Convention::Optax, Convention::PyTorch];

    fn defaults(convention: Convention) -> Self {
        let [epsilon, rms_rate, weight_decay, adam_weight_decay, adam_epsilon] = match convention {
            Convention::Keras => [1e-7, 0.2, 0.004, 0.004, 1e-7],
            Convention::Optax => [1e-8, 0.0, 0.0, 0.0, 1e-8],
            _ => [1e-7, 0.0, 0.1, 0.01, 1e-8],
        };
        Self {
            convention,
            learning_rate: 1e-3,
            momentum: 0.95,
            nesterov: true,
            epsilon,
            ns_steps: 5.0,
            rms_rate,
            weight_decay,
            adam_lr_ratio: 1.0,
            beta1: 0.9,
            beta2: 0.999,
            adam_epsilon,
            adam_weight_decay,
        }
    }

    fn fields(&mut self) -> Vec<Field<'_>> {
        vec![
            Field::number("learning_rate", &mut self.learning_rate),
            Field::number("momentum", &mut self.momentum),
            Field::flag("nesterov", &mut self.nesterov),
            Field::number("epsilon", &mut self.epsilon).only(&[Convention::Optax, Convention::PyTorch]),
            Field::number("ns_steps", &mut self.ns_steps),
            Field::number("rms_rate", &mut self.rms_rate),
            Field::number("weight_decay", &mut self.weight_decay),
            Field::number("adam_lr_ratio", &mut self.adam_lr_ratio),
            Field::number("beta1", &mut self.beta1),
            Field::number("beta2", &mut self.beta2),
            Field::number("adam_epsilon", &mut self.adam_epsilon).only(&[Convention::Keras, Convention::PyTorch]),
            Field::number("adam_weight_decay", &mut self.adam_weight_decay),
        ]
    }
}

impl Muon {
    /// s for a matrix of `rows` by `columns`.
    fn scale(&self, rows: usize, columns: usize) -> f64 {
        let (rows, columns) = (rows as f64, columns as f64);
        match self.rms_rate {
            0.0 if self.convention == Convention::Keras => 1.0,
            0.0 => (rows / columns).max(1.0).sqrt(),
            rate => rate * rows.max(columns).sqrt(),
        }
    }
}

/// `max(x, c)` for c ≥ 0.
pub(super) fn at_least(g: &mut Graph, x: NodeId, c: NodeId) -> Result<NodeId, GraphError> {
    let above = g.sub(x, c)?;
    let above = g.relu(above)?;
    g.add(above, c)
}

/// `a x + b y`
pub(super) fn mixed(g: &mut Graph, [a, x]: [NodeId; 2], [b, y]: [NodeId; 2]) -> Result<NodeId, GraphError> {
    let (ax, by) = (g.mul(x, a)?, g.mul(y, b)?);
    g.add(ax, by)
}

impl TensorRule for Muon {
    fn takes(&self, shape: &Shape) -> bool {
        shape.rank() == 2 && shape.elements() > 0
    }

    fn states(&self, shape: &Shape) -> Vec<(&'static str, Shape)> {
        vec![("momentum_buffer", shape.clone())]
    }

    fn number_names(&self) -> &'static [&'static str] {
        &["keep", "add", "of_momentum", "of_gradient", "epsilon"]
    }

    fn numbers(&self, step: u64, _: f64) -> Vec<f64> {
        let (mu, rest) = (self.momentum, 1.0 - self.momentum);
        let (add, ahead) = match self.convention {
            Convention::Keras => (1.0, [mu, 1.0]),
            Convention::Optax => (rest, [mu / correction(mu, step + 1), rest / correction(mu, step)]),
            _ => (rest, [mu, rest]),
        };
        let [of_momentum, of_gradient] = match (self.nesterov, self.convention) {
            (true, _) => ahead,
            (false, Convention::Optax) => [1.0 / correction(mu, step), 0.0],
            (false, _) => [1.0, 0.0],
        };
        vec![mu, add, of_momentum, of_gradient, self.epsilon]
    }

    fn hyper(&self, _: u64, learning_rate: f64) -> Hyper {
        super::rule::hyper([learning_rate, learning_rate * self.weight_decay])
    }

    fn transform(&self, g: &mut Graph, operands: &Operands) -> Result<Transformed, GraphError> {
        let [keep, add, of_momentum, of_gradient, epsilon] = operands.scalars("muon")?;
        let [held] = operands.held("muon")?;
        let &[rows, columns] = g.shape(operands.gradient).axes() else {
            let (expected, found) = ("[out, in]".into(), g.shape(operands.gradient).clone());
            return Err(GraphError::Shape { op: "muon", operand: "gradient", expected, found });
        };
        let momentum = mixed(g, [keep, held], [add, operands.gradient])?;
        let ahead = mixed(g, [of_momentum, momentum], [of_gradient, operands.gradient])?;
        let squares = g.square(ahead)?;
        let squares = g.sum_all(squares)?;
        let norm = g.sqrt(squares)?;
        let below = match self.convention {
            Convention::PyTorch => at_least(g, norm, epsilon)?,
            _ => g.add(norm, epsilon)?,
        };
        let mut x = g.div(ahead, below)?;
        let tall = rows > columns;
        for _ in 0..self.ns_steps as usize {
            let gram = if tall { g.matmul_tn(x, x)? } else { g.matmul_nt(x, x)? };
            let twice = g.matmul(gram, gram)?;
            let (once, twice) = (g.scale(gram, B)?, g.scale(twice, C)?);
            let inner = g.add(once, twice)?;
            let turned = if tall { g.matmul(x, inner)? } else { g.matmul(inner, x)? };
            let own = g.scale(x, A)?;
            x = g.add(own, turned)?;
        }
        let direction = g.scale(x, self.scale(rows, columns))?;
        Ok(Transformed { direction, states: vec![momentum] })
    }
}

impl Rule for Muon {
    fields::configured!();

    fn tensor_rule(&self) -> Option<&dyn TensorRule> {
        Some(self)
    }

    fn states(&self) -> &'static [&'static str] {
        &["exp_avg", "exp_avg_sq"]
    }

    fn hyper(&self, step: u64, learning_rate: f64) -> Hyper {
        let &Self { convention, beta1, beta2, .. } = self;
        let rate = learning_rate * self.adam_lr_ratio;
        let corrected = correction(beta2, step);
        let (of_m, of_g) = match convention == Convention::Optax && self.nesterov {
            true => nadam::ahead(beta1, step),
            false => (1.0 / correction(beta1, step), 0.0),
        };
        let epsilon = match convention {
            Convention::Keras => self.adam_epsilon / corrected.sqrt(),
            Convention::Optax => self.epsilon,
            _ => self.adam_epsilon,
        };
        // Keras takes the decay by the rate of all, AdamW's own or not.
        let decay = if convention == Convention::Keras { learning_rate } else { rate } * self.adam_weight_decay;
        let (of_m, of_g, inverse) = (rate * of_m, rate * of_g, 1.0 / corrected);
        let (rest1, rest2) = (1.0 - beta1, 1.0 - beta2);
        super::rule::hyper([of_m, of_g, beta1, rest1, beta2, rest2, inverse, 0.0, epsilon, 0.0, decay])
    }

    #[inline]
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, s: [T; 3]) -> (T, [T; 3]) {
        nadam::step(h, g, p, s)
    }

    fn source(&self) -> &'static str {
        wgsl!("optim/nadam")
    }
}

impl Default for Muon {
    fn default() -> Self {
        Self::defaults(Convention::PyTorch)
    }
}

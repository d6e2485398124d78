//! Adafactor.

use super::fields::{self, Configurable, Field};
use super::muon::{at_least, mixed};
use super::{Convention, Hyper, Operands, Rule, TensorRule, Transformed};
use crate::error::{GraphError, OptimError};
use crate::graph::{Graph, NodeId};
use crate::kernel::wgsl;
use crate::scalar::Number;
use crate::shape::Shape;

/// Adafactor: a mean square of which only the means over rows and columns are kept, steps in proportion to the tensor itself.
///
/// # Formula
///
/// At step `t = 1, 2, …`, for a tensor with an axis of rows and one of columns, RMS over all its elements:
///
/// ```text
/// w = t^(−c)
/// s = g² + ε₁                                  pytorch: s = g²
/// r ← (1 − w) r + w · mean of s over the columns        starts at 0
/// k ← (1 − w) k + w · mean of s over the rows           starts at 0
/// v = r kᵀ / mean(r)                           pytorch: max(r kᵀ / max(mean(r), ε₁), ε₁²)
/// u = g / √v
/// p ← p − η λ p                                optax: p ← p − λ p
/// p ← p − ρ max(ε₂, RMS(p)) u / max(1, RMS(u)/d)        ρ = min(η, 1/√t); optax: ρ = η
/// ```
///
/// p in the last line is that before the decay, in Keras that after it. Other tensors keep `v ← (1 − w) v + w s` whole (PyTorch:
/// `max(v, ε₁²)` in the root).
///
/// Which axes: of two, both. Of more, PyTorch takes the last two, the kernel's height and width in a convolution; Keras, whose
/// kernels are `[.., in, out]`, those of in and out, here the first two, and so does `paper`, which speaks of matrices alone; Optax
/// the two longest, and none where the shorter of them is below `min_dim_size_to_factor`. Optax computes w in f32, here it is f64
/// as in the others. Keras's `relative_step` changes nothing there and is not here; nor are Optax's `momentum`,
/// `decay_offset` and `factored`.
///
/// | | η | c | ε₁ | ε₂ | d | λ |
/// |---|---|---|---|---|---|---|
/// | `paper` | 1e-2 | 0.8 | 1e-30 | 1e-3 | 1 | – |
/// | `keras` | 1e-3 | 0.8 | 1e-30 | 1e-3 | 1 | 0 |
/// | `optax` | 1e-3 (without one, 1) | 0.8 | 1e-30 | 1e-3, fixed | 1 | 0 |
/// | `pytorch` | 1e-2 | 0.8 | 2⁻²³, f32's ε | 1e-3 | 1 | 0 |
///
/// PyTorch's ε₁ is the parameter type's; in f64 it would be 2⁻⁵².
///
/// # On the GPU
///
/// Some 20 launches a tensor, of the library's ops; a matrix of m by n keeps m + n numbers. The last line is
/// `shaders/optim/adafactor.wgsl`.
///
/// # Source
///
/// Shazeer & Stern, *Adafactor: Adaptive Learning Rates with Sublinear Memory Cost*, ICML 2018, arXiv 1804.04235, algorithms 4
/// and 5.
///
/// # Examples
///
/// The element's part takes the direction that the graph makes:
///
/// ```
/// use thalweg::optim::{Adafactor, DynRule};
///
/// let adafactor = Adafactor { weight_decay: 0.5, ..Adafactor::default() };
/// let rule = adafactor.tensor_rule().expect("for all tensors");
/// let states = rule.states(&[64, 3, 5].into());
/// assert_eq!((states[0].1.elements(), states[1].1.elements()), (64 * 3, 64 * 5));
/// let h = DynRule::hyper(&adafactor, 16, 1.0); // ρ = 1/√16
/// let mut p = [2.0];
/// adafactor.update_f64(&h, &[1.0], &mut p, &mut []);
/// assert_eq!(p, [0.75]); // 2 − ½·2 − ¼
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adafactor {
    /// Whose arithmetic and defaults. Default `PyTorch`.
    pub convention: Convention,
    /// η, the longest step as a part of the tensor's RMS. Positive. Default 1e-2 (`Keras`, `Optax`: 1e-3).
    pub learning_rate: f64,
    /// c, how soon the means slow down; PyTorch's and Keras's `beta2_decay` is −c. Not negative. Default 0.8.
    pub decay_rate: f64,
    /// ε₁. Positive. Default 1e-30 (`PyTorch`: 2⁻²³).
    pub epsilon: f64,
    /// ε₂, the least RMS of a tensor that a step is measured by. Positive. Default 1e-3; `Optax` has it fixed.
    pub epsilon_scale: f64,
    /// d, the largest RMS of u. Positive. Default 1.
    pub clip_threshold: f64,
    /// λ, in `Optax` not scaled by η. Not negative. Default 0; `Paper` has none.
    pub weight_decay: f64,
    /// The shortest axis that is factored. Not negative. Default 128; `Optax` only.
    pub min_dim_size_to_factor: f64,
    /// Whether steps are in proportion to the tensor. Default on; `Optax` only.
    pub multiply_by_parameter_scale: bool,
}

impl Configurable for Adafactor {
    const NAME: &'static str = "adafactor";
    const CONVENTIONS: &'static [Convention] =
        &[Convention::Paper, Convention::Keras, Convention::Optax, Convention::PyTorch];

    fn defaults(convention: Convention) -> Self {
        let learning_rate = if matches!(convention, Convention::Keras | Convention::Optax) { 1e-3 } else { 1e-2 };
        let epsilon = if convention == Convention::PyTorch { f64::from(f32::EPSILON) } else { 1e-30 };
        Self {
            convention,
            learning_rate,
            decay_rate: 0.8,
            epsilon,
            epsilon_scale: 1e-3,
            clip_threshold: 1.0,
            weight_decay: 0.0,
            min_dim_size_to_factor: 128.0,
            multiply_by_parameter_scale: true,
        }
    }

    fn fields(&mut self) -> Vec<Field<'_>> {
        const LIBRARIES: &[Convention] = &[Convention::Keras, Convention::Optax, Convention::PyTorch];
        const OPTAX: &[Convention] = &[Convention::Optax];
        let scaled = &[Convention::Paper, Convention::Keras, Convention::PyTorch];
        vec![
            Field::number("learning_rate", &mut self.learning_rate),
            Field::number("decay_rate", &mut self.decay_rate),
            Field::number("epsilon", &mut self.epsilon),
            Field::number("epsilon_scale", &mut self.epsilon_scale).only(scaled),
            Field::number("clip_threshold", &mut self.clip_threshold),
            Field::number("weight_decay", &mut self.weight_decay).only(LIBRARIES),
            Field::number("min_dim_size_to_factor", &mut self.min_dim_size_to_factor).only(OPTAX),
            Field::flag("multiply_by_parameter_scale", &mut self.multiply_by_parameter_scale).only(OPTAX),
        ]
    }
}

impl Adafactor {
    /// The axes of rows and columns, or `None` for a tensor whose mean square is kept whole.
    fn axes(&self, shape: &Shape) -> Option<[usize; 2]> {
        let rank = shape.rank();
        match self.convention {
            _ if rank < 2 => None,
            Convention::PyTorch => Some([rank - 2, rank - 1]),
            Convention::Optax => {
                let mut order: Vec<usize> = (0..rank).collect();
                // Of equal ones the later in Optax's layout, `[.., in, out]`.
                let theirs = |axis: usize| if axis < 2 { rank - 1 - axis } else { axis - 2 };
                order.sort_by_key(|&axis| (shape.axes()[axis], theirs(axis)));
                let (second, longest) = (order[rank - 2], order[rank - 1]);
                (shape.axes()[second] as f64 >= self.min_dim_size_to_factor).then_some([second, longest])
            }
            _ => Some([0, 1]),
        }
    }
}

/// √ of the mean of squares, a scalar.
fn rms(g: &mut Graph, x: NodeId) -> Result<NodeId, GraphError> {
    let squares = g.square(x)?;
    let mean = g.mean_all(squares)?;
    g.sqrt(mean)
}

impl TensorRule for Adafactor {
    fn takes(&self, shape: &Shape) -> bool {
        shape.elements() > 0
    }

    fn states(&self, shape: &Shape) -> Vec<(&'static str, Shape)> {
        let without = |axis: usize| {
            let mut axes = shape.axes().to_vec();
            axes[axis] = 1;
            Shape::from(axes)
        };
        match self.axes(shape) {
            Some([row, column]) => vec![("row_var", without(column)), ("col_var", without(row))],
            None => vec![("variance", shape.clone())],
        }
    }

    fn number_names(&self) -> &'static [&'static str] {
        &["keep", "add", "epsilon", "epsilon_squared", "clip_threshold", "epsilon_scale", "shrink", "one"]
    }

    fn numbers(&self, step: u64, learning_rate: f64) -> Vec<f64> {
        let &Self { epsilon, clip_threshold, epsilon_scale, .. } = self;
        let add = (step as f64).powf(-self.decay_rate);
        let shrink = match self.convention {
            Convention::Keras => 1.0 - learning_rate * self.weight_decay,
            _ => 1.0,
        };
        vec![1.0 - add, add, epsilon, epsilon * epsilon, clip_threshold, epsilon_scale, shrink, 1.0]
    }

    fn hyper(&self, step: u64, learning_rate: f64) -> Hyper {
        let (rate, decay) = match self.convention {
            Convention::Optax => (learning_rate, self.weight_decay),
            _ => (learning_rate.min(1.0 / (step as f64).sqrt()), learning_rate * self.weight_decay),
        };
        super::rule::hyper([rate, decay])
    }

    fn transform(&self, g: &mut Graph, operands: &Operands) -> Result<Transformed, GraphError> {
        let [keep, add, epsilon, squared, threshold, least, shrink, one] = operands.scalars("adafactor")?;
        let gradient = operands.gradient;
        let floored = self.convention == Convention::PyTorch;
        let squares = g.square(gradient)?;
        let squares = if floored { squares } else { g.add(squares, epsilon)? };
        let (u, states) = match self.axes(g.shape(gradient)) {
            Some([row, column]) => {
                let [rows, columns] = operands.held("adafactor")?;
                let of_rows = g.mean(squares, column, true)?;
                let of_columns = g.mean(squares, row, true)?;
                let rows = mixed(g, [keep, rows], [add, of_rows])?;
                let columns = mixed(g, [keep, columns], [add, of_columns])?;
                let mean = g.mean(rows, row, true)?;
                let mean = if floored { at_least(g, mean, epsilon)? } else { mean };
                let u = if floored {
                    let share = g.div(rows, mean)?;
                    let variance = g.mul(share, columns)?;
                    let variance = at_least(g, variance, squared)?;
                    let root = g.sqrt(variance)?;
                    g.div(gradient, root)?
                } else {
                    // By one root after the other: where the row and the column of a gradient are 0, their product is far below f32,
                    // and so is a row's share beside rows of large ones.
                    let (row, mean, column) = (g.sqrt(rows)?, g.sqrt(mean)?, g.sqrt(columns)?);
                    let share = g.div(row, mean)?;
                    let u = g.div(gradient, share)?;
                    g.div(u, column)?
                };
                (u, vec![rows, columns])
            }
            None => {
                let [held] = operands.held("adafactor")?;
                let variance = mixed(g, [keep, held], [add, squares])?;
                let least = if floored { at_least(g, variance, squared)? } else { variance };
                let root = g.sqrt(least)?;
                (g.div(gradient, root)?, vec![variance])
            }
        };
        let size = rms(g, u)?;
        let size = g.div(size, threshold)?;
        let size = at_least(g, size, one)?;
        let u = g.div(u, size)?;
        if self.convention == Convention::Optax && !self.multiply_by_parameter_scale {
            return Ok(Transformed { direction: u, states });
        }
        let own = rms(g, operands.parameter)?;
        let own = g.mul(own, shrink)?;
        let own = at_least(g, own, least)?;
        Ok(Transformed { direction: g.mul(u, own)?, states })
    }
}

impl Rule for Adafactor {
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
        fields::validate_f32(self)?;
        // Of a gradient of 0 the root is that of the square.
        if self.convention == Convention::PyTorch && !fields::positive_f32(self.epsilon * self.epsilon) {
            let owner = fields::owner(Self::NAME, self.convention);
            let range = "a number whose square f32 holds, 1.1e-19 to 1.8e19";
            return Err(OptimError::Range { owner, field: "epsilon", range, found: self.epsilon });
        }
        Ok(())
    }

    fn with(&self, field: &str, value: f64) -> Result<Self, OptimError> {
        fields::with(self, field, value)
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn tensor_rule(&self) -> Option<&dyn TensorRule> {
        Some(self)
    }

    fn states(&self) -> &'static [&'static str] {
        &[]
    }

    fn hyper(&self, step: u64, learning_rate: f64) -> Hyper {
        TensorRule::hyper(self, step, learning_rate)
    }

    #[inline]
    fn update<T: Number>(&self, h: &[T; 12], g: T, p: T, s: [T; 3]) -> (T, [T; 3]) {
        (p - h[1] * p - h[0] * g, s)
    }

    fn source(&self) -> &'static str {
        wgsl!("optim/adafactor")
    }
}

impl Default for Adafactor {
    fn default() -> Self {
        Self::defaults(Convention::PyTorch)
    }
}

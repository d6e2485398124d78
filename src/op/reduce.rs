//! Sum, mean and maximum over one axis or over all elements.

mod broadcast;
mod launch;
mod max_gradient;

pub use broadcast::Broadcast;
pub(crate) use launch::{Axes, additions, beats, rows_by_workgroup, sum_launches, sum_parts};
pub use max_gradient::MaxGradient;

use super::rounding::{TINY, gamma, sum};
use super::{Case, Fill, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Launches, Plan};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// What a [`Reduce`] makes of the numbers along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reduction {
    /// `Σ x`, 0 for none.
    Sum,
    /// `Σ x / n`.
    Mean,
    /// `factor · Σ x`.
    Scaled(f64),
    /// The largest; its gradient goes to the first of equals.
    Max,
}

/// One number for each line along an axis, or one for the whole tensor.
///
/// ```text
/// x : […, n, …]   any shape
/// y : […, …]      without the axis, or with length 1 there if `keepdim`; [] (or all ones) for all axes
/// y = Σ x   |   y = Σ x / n   |   y = max x
/// ∂L/∂x = ∂L/∂y broadcast along the axis, times 1 or 1/n   |   ∂L/∂y at the first of the largest, 0 elsewhere
/// ```
///
/// **On the GPU** `shaders/op/reduce.wgsl`: fixed trees, no atomics, so the same bits each time. One workgroup a row where rows are long
/// and contiguous, otherwise one invocation an output element with neighbours reading neighbours. Long axes with few
/// outputs are cut into parts, and the parts reduced in further launches. Bound: γ·Σ|x| for the depth of the deepest of these trees, 1064
/// additions for a line of 10⁴ or 10⁶ terms, not n.
///
/// The mean and maximum of nothing do not exist and are refused; PyTorch's mean of nothing is NaN. The gradient of `max` over
/// all elements is PyTorch's `max(dim)`, not `amax`, which shares it among equals.
///
/// **Source** Higham 2002, §4.2, for the error of sums by blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reduce {
    /// What is computed.
    pub reduction: Reduction,
    /// Along which axis; `None` for all elements.
    pub axis: Option<usize>,
    /// Whether the axis stays, with length 1.
    pub keepdim: bool,
}

impl Op for Reduce {
    fn name(&self) -> &'static str {
        match self.reduction {
            Reduction::Sum | Reduction::Scaled(_) => "sum",
            Reduction::Mean => "mean",
            Reduction::Max => "max",
        }
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x] = operand::exactly(Op::name(self), inputs)?;
        let shape = operand::real(Op::name(self), "x", x)?;
        let filled = matches!(self.reduction, Reduction::Mean | Reduction::Max);
        let mut axes = shape.axes().to_vec();
        match self.axis {
            Some(axis) => {
                operand::axis(Op::name(self), shape, axis, filled)?;
                axes[axis] = 1;
                if !self.keepdim {
                    axes.remove(axis);
                }
            }
            None if filled && shape.contains(&0) => {
                return Err(operand::misshapen(Op::name(self), "x", "with at least one element".into(), shape));
            }
            None if self.keepdim => axes.fill(1),
            None => axes.clear(),
        }
        Ok(Meta::real(axes))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let axes = Axes::of(inputs[0].shape(), self.axis);
        let x = inputs[0].real();
        for (i, y) in y.iter_mut().enumerate() {
            let line = axes.line(i).map(|k| x[k]);
            *y = match self.reduction {
                Reduction::Sum => sum(line),
                Reduction::Mean => sum(line) / T::of(axes.len as f64),
                Reduction::Scaled(factor) => T::of(factor) * sum(line),
                Reduction::Max => x[axes.winner(x, i)],
            };
        }
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (x, upstream) = (tape.input(0), tape.upstream());
        let shape = tape.graph().shape(x).clone();
        let factor = match self.reduction {
            Reduction::Max => {
                let op = MaxGradient { axis: self.axis };
                return Ok(vec![Some(tape.graph().apply(op, &[x, upstream])?)]);
            }
            Reduction::Sum => 1.0,
            Reduction::Mean => 1.0 / Axes::of(&shape, self.axis).len as f64,
            Reduction::Scaled(factor) => factor,
        };
        Ok(vec![Some(tape.graph().apply(Broadcast { shape, axis: self.axis, factor }, &[upstream])?)])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let axes = Axes::of(&plan.inputs[0].shape, self.axis);
        let factor = match self.reduction {
            Reduction::Sum => Some(1.0),
            Reduction::Mean => Some(1.0 / axes.len as f64),
            Reduction::Scaled(factor) => Some(factor),
            Reduction::Max => None,
        };
        launch::launches(Op::name(self), plan, axes, factor)
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let axes = Axes::of(inputs[0].value.shape(), self.axis);
        let x = inputs[0].value.real();
        let factor = match self.reduction {
            Reduction::Sum => 1.0,
            Reduction::Mean => 1.0 / axes.len as f64,
            Reduction::Scaled(factor) => factor.abs(),
            Reduction::Max => {
                // max is 1-Lipschitz in the largest change.
                for (i, e) in error.iter_mut().enumerate() {
                    *e = axes.line(i).map(|k| inputs[0].error[k]).fold(0.0, f64::max);
                }
                return;
            }
        };
        // The factor, its own rounding included, is two more than the additions.
        let roundings = gamma(additions(axes) + 2);
        for (i, e) in error.iter_mut().enumerate() {
            let arrived: f64 = axes.line(i).map(|k| inputs[0].error[k]).sum();
            let size: f64 = axes.line(i).map(|k| x[k].abs()).sum();
            *e = factor * (arrived + roundings * (size + arrived)) + TINY * (1.0 + axes.len as f64 * factor);
        }
    }

    fn winners(&self, inputs: &[Arg<'_, f64>], out: &mut Vec<u32>) {
        if self.reduction == Reduction::Max {
            let axes = Axes::of(inputs[0].shape(), self.axis);
            out.extend((0..axes.lines()).map(|i| axes.winner(inputs[0].real(), i) as u32));
        }
    }
}

/// Builders. `axis` counts from 0.
impl Graph {
    /// `Σ x` along `axis`, which goes, or stays with length 1 if `keepdim`. See [`Reduce`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if `x` has no such axis, [`GraphError::Dtype`] if it holds indices.
    pub fn sum(&mut self, x: NodeId, axis: usize, keepdim: bool) -> Result<NodeId, GraphError> {
        self.apply(Reduce { reduction: Reduction::Sum, axis: Some(axis), keepdim }, &[x])
    }

    /// `Σ x / n` along `axis`. See [`Reduce`].
    ///
    /// # Errors
    ///
    /// As [`sum`](Self::sum); [`GraphError::Shape`] too if the axis is empty.
    pub fn mean(&mut self, x: NodeId, axis: usize, keepdim: bool) -> Result<NodeId, GraphError> {
        self.apply(Reduce { reduction: Reduction::Mean, axis: Some(axis), keepdim }, &[x])
    }

    /// `max x` along `axis`. See [`Reduce`].
    ///
    /// # Errors
    ///
    /// As [`mean`](Self::mean).
    pub fn max(&mut self, x: NodeId, axis: usize, keepdim: bool) -> Result<NodeId, GraphError> {
        self.apply(Reduce { reduction: Reduction::Max, axis: Some(axis), keepdim }, &[x])
    }

    /// `Σ x` of all elements, a scalar. See [`Reduce`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Dtype`] if `x` holds indices.
    pub fn sum_all(&mut self, x: NodeId) -> Result<NodeId, GraphError> {
        self.apply(Reduce { reduction: Reduction::Sum, axis: None, keepdim: false }, &[x])
    }

    /// The mean of all elements, a scalar. See [`Reduce`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if there are none, [`GraphError::Dtype`] if `x` holds indices.
    pub fn mean_all(&mut self, x: NodeId) -> Result<NodeId, GraphError> {
        self.apply(Reduce { reduction: Reduction::Mean, axis: None, keepdim: false }, &[x])
    }

    /// The largest of all elements, a scalar. See [`Reduce`].
    ///
    /// # Errors
    ///
    /// As [`mean_all`](Self::mean_all).
    pub fn max_all(&mut self, x: NodeId) -> Result<NodeId, GraphError> {
        self.apply(Reduce { reduction: Reduction::Max, axis: None, keepdim: false }, &[x])
    }
}

/// What the suite checks.
pub fn cases() -> Vec<Case> {
    // Of either sign, yet not adding up to nothing: a long sum of that is all rounding.
    let any = Fill::Uniform(-0.5, 1.5);
    let shapes: [(Shape, Option<usize>); 12] = [
        ([1].into(), Some(0)),
        ([64, 128].into(), Some(0)),
        ([64, 128].into(), Some(1)),
        ([3, 1009].into(), Some(1)),
        ([1009, 3].into(), Some(0)),
        ([5, 7, 3].into(), Some(1)),
        ([2, 130, 65].into(), Some(1)),
        ([63, 1].into(), Some(1)),
        ([1, 65].into(), Some(0)),
        ([3, 5, 7].into(), None),
        ([10_007].into(), None),
        (Shape::scalar(), None),
    ];
    let mut cases = Vec::new();
    for reduction in [Reduction::Sum, Reduction::Mean, Reduction::Scaled(-2.5), Reduction::Max] {
        for (n, (shape, axis)) in shapes.iter().enumerate() {
            let op = Reduce { reduction, axis: *axis, keepdim: n % 2 == 1 };
            let along = axis.map_or("all".into(), |axis| format!("axis {axis}"));
            cases.push(Case::new(format!("{reduction:?} of {shape}, {along}"), op).real(shape.clone(), any));
        }
    }
    let equal = Reduce { reduction: Reduction::Max, axis: Some(1), keepdim: false };
    cases.push(Case::new("Max of equals", equal).real([5, 70], Fill::Constant(0.5)).edge());
    let sum = |axis, keepdim| Reduce { reduction: Reduction::Sum, axis, keepdim };
    cases.push(Case::new("Sum of nothing", sum(Some(0), false)).real([0, 3], any).edge());
    cases.push(Case::new("Sum of no lines", sum(Some(1), true)).real([0, 3], any).edge());
    for (shape, axis) in [([64, 128], Some(0)), ([4096, 1000], Some(1)), ([4096, 1000], Some(0)), ([1, 1_000_000], None)] {
        cases.push(Case::new(format!("bench {shape:?}, {axis:?}"), sum(axis, false)).real(shape, any).edge().benched());
    }
    cases.extend(broadcast::cases());
    cases.extend(max_gradient::cases());
    cases
}

//! Losses that are a mean over rows, each row the scores of one example against its target.

use std::fmt::Debug;

use super::head::Sources;
use super::terms;
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, padded};
use crate::op::reduce::{self, Axes, rows_by_workgroup};
use crate::op::{operand, rounding};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// What a row is measured against.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a, T> {
    /// A class below the row's width.
    Class(usize),
    /// A weight for each class.
    Weights(&'a [T]),
}

impl<T> Target<'_, T> {
    /// The class. A loss of classes may call this.
    pub fn class(&self) -> usize {
        match self {
            Self::Class(class) => *class,
            Self::Weights(_) => unreachable!("the shape rule of a loss of classes takes indices alone"),
        }
    }

    /// The weights. A loss of weights may call this.
    pub fn weights(&self) -> &[T] {
        match self {
            Self::Weights(weights) => weights,
            Self::Class(_) => unreachable!("the shape rule of a loss of weights takes real numbers alone"),
        }
    }
}

/// One row of f64 numbers and the most by which each may be off.
pub struct Rows<'a> {
    /// Scores.
    pub s: &'a [f64],
    /// Their errors.
    pub s_error: &'a [f64],
    /// The target.
    pub t: Target<'a, f64>,
    /// The target's errors; empty for a class.
    pub t_error: &'a [f64],
}

/// One row of the loss: its formula, the formula's derivative, and how far f32 may be off.
pub trait RowLoss: Copy + Debug + Send + Sync + 'static {
    /// The loss's name.
    const NAME: &'static str;
    /// The name of the gradient's op.
    const GRADIENT: &'static str;
    /// Whether the targets are classes `[N]`; if not, weights `[N, C]`.
    const CLASSES: bool;
    /// WGSL of the value's kernel, one workgroup and one invocation a row. The entry is `row_loss`.
    const FORWARD: [&'static str; 2];
    /// WGSL of the gradient's kernel. The entry is `row_gradient`.
    const BACKWARD: [&'static str; 2];
    /// WGSL of the kernels that compute both: all rows by one workgroup, a row an invocation, a row a workgroup.
    const HEAD: Sources;
    /// WGSL of the rows of a chain of dense layers that ends in this loss.
    const CHAIN: &'static str;

    /// `ℓ(s, t)`
    fn value<T: Scalar>(s: &[T], t: Target<'_, T>) -> T;
    /// `share · dℓ/ds`
    fn slopes<T: Scalar>(s: &[T], t: Target<'_, T>, share: T, ds: &mut [T]);
    /// The most by which the computed `ℓ` may be off.
    fn value_error(row: &Rows<'_>) -> f64;
    /// The same of `share · dℓ/ds`, given the share and its error.
    fn slope_errors(row: &Rows<'_>, share: (f64, f64), error: &mut [f64]);
    /// `v · d²ℓ/ds²` row by row, the matrix being symmetric; `None` where it is 0 but for kinks.
    ///
    /// # Errors
    ///
    /// What the ops that it is made of refuse.
    fn curvature(g: &mut Graph, s: NodeId, t: NodeId, v: NodeId) -> Result<Option<NodeId>, GraphError>;
    /// The branches a row takes, where it is not smooth.
    fn winners(_s: &[f64], _t: Target<'_, f64>, _out: &mut Vec<u32>) {}
}

/// The mean of a [`RowLoss`] over rows, a scalar.
#[derive(Clone, Copy, Debug)]
pub struct RowMean<L>(pub L);

/// The derivative of a [`RowMean`] with respect to the scores: `ds = dy / N · dℓ/ds`.
#[derive(Clone, Copy, Debug)]
pub struct RowMeanGradient<L>(pub L);

/// Scores `[N, C]` and classes `[N]` (or weights `[N, C]`), none empty.
pub(super) fn operands<'a>(op: &'static str, s: &'a Meta, t: &Meta, classes: bool) -> Result<&'a Shape, GraphError> {
    let shape = operand::real(op, "scores", s)?;
    if shape.rank() != 2 || shape.contains(&0) {
        return Err(operand::misshapen(op, "scores", "[N, C] with N ≥ 1 and C ≥ 1".into(), shape));
    }
    if !classes {
        operand::shaped(op, "target", t, shape)?;
        return Ok(shape);
    }
    let found = operand::index(op, "target", t)?;
    if found.axes() != [shape[0]] {
        return Err(operand::misshapen(op, "target", format!("[{}]", shape[0]), found));
    }
    Ok(shape)
}

/// The target of row `n`. A class beyond the last is taken for the last, on both devices.
pub(super) fn target<'a, T>(arg: &Arg<'a, T>, n: usize, width: usize) -> Target<'a, T> {
    match arg {
        Arg::Index(_, classes) => Target::Class((classes[n] as usize).min(width - 1)),
        Arg::Real(_, weights) => Target::Weights(&weights[n * width..(n + 1) * width]),
    }
}

fn rows<'a>(inputs: &[BoundArg<'a>]) -> impl Iterator<Item = Rows<'a>> {
    let (s, s_error) = (inputs[0].value.real(), inputs[0].error);
    let (t, t_error, width) = (inputs[1].value, inputs[1].error, inputs[0].value.shape()[1]);
    (0..inputs[0].value.shape()[0]).map(move |n| {
        let row = n * width..(n + 1) * width;
        Rows {
            s: &s[row.clone()],
            s_error: &s_error[row.clone()],
            t: target(&t, n, width),
            t_error: if matches!(t, Arg::Real(..)) { &t_error[row] } else { &[] },
        }
    })
}

/// Launches that put one number a row into scratch and its mean into the output.
pub(super) fn mean_launches(
    name: &'static str,
    text: [&'static str; 2],
    classes: bool,
    plan: &Plan,
) -> Result<Launches, GraphError> {
    let (count, width) = (plan.inputs[0].shape[0], plan.inputs[0].shape[1]);
    let mut all = Launches { scratch: vec![count], list: Vec::new() };
    for (first, rows) in plan.runs(name, count, &[width, 1])? {
        let (by_workgroup, groups) = grid(plan, rows, width);
        let target = if classes { 1 } else { width };
        all.list.push(Launch {
            kernel: Kernel::new(name, text[usize::from(!by_workgroup)], "row_loss"),
            params: vec![
                ("rows", rows.into()),
                ("width", width.into()),
                ("s_stride", plan.inputs[0].stride.into()),
                ("t_stride", plan.inputs[1].stride.into()),
                ("y_stride", padded(count).into()),
            ],
            bindings: vec![
                Binding::Read(Window { operand: Operand::Input(0), offset: first * width, len: rows * width }),
                Binding::Read(Window { operand: Operand::Input(1), offset: first * target, len: rows * target }),
                Binding::Write(Window { operand: Operand::Scratch(0), offset: first, len: rows }),
            ],
            groups,
            flops: 0,
        });
    }
    reduce::sum_launches(plan, 0, count, 1.0 / count as f64, &mut all);
    Ok(all)
}

fn grid(plan: &Plan, rows: usize, width: usize) -> (bool, [u32; 3]) {
    let by_workgroup = rows_by_workgroup(plan, Axes { outer: rows, len: width, inner: 1 });
    (by_workgroup, if by_workgroup { plan.groups(rows) } else { plan.linear(rows, 64) })
}

impl<L: RowLoss> Op for RowMean<L> {
    fn name(&self) -> &'static str {
        L::NAME
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [s, t] = operand::exactly(L::NAME, inputs)?;
        operands(L::NAME, s, t, L::CLASSES)?;
        Ok(Meta::real(Shape::scalar()))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let width = inputs[0].shape()[1];
        let rows = inputs[0].real().chunks(width).enumerate();
        let total = rounding::sum(rows.map(|(n, s)| L::value(s, target(&inputs[1], n, width))));
        y[0] = total / T::of(inputs[0].shape()[0] as f64);
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        if tape.needs(1) {
            return Err(GraphError::NotDifferentiable { op: L::NAME, input: 1 });
        }
        let (s, t, upstream) = (tape.input(0), tape.input(1), tape.upstream());
        Ok(vec![Some(tape.graph().apply(RowMeanGradient(self.0), &[s, t, upstream])?), None])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        mean_launches(L::NAME, L::FORWARD, L::CLASSES, plan)
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        error[0] = terms::mean(rows(inputs).map(|row| (L::value(row.s, row.t), L::value_error(&row))));
    }

    fn winners(&self, inputs: &[Arg<'_, f64>], out: &mut Vec<u32>) {
        let width = inputs[0].shape()[1];
        for (n, s) in inputs[0].real().chunks(width).enumerate() {
            L::winners(s, target(&inputs[1], n, width), out);
        }
    }
}

impl<L: RowLoss> Op for RowMeanGradient<L> {
    fn name(&self) -> &'static str {
        L::GRADIENT
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [s, t, upstream] = operand::exactly(L::GRADIENT, inputs)?;
        operands(L::GRADIENT, s, t, L::CLASSES)?;
        operand::shaped(L::GRADIENT, "dy", upstream, &Shape::scalar())?;
        Ok(s.clone())
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], ds: &mut [T], _: &Context) {
        let (count, width) = (inputs[0].shape()[0], inputs[0].shape()[1]);
        let share = inputs[2].real()[0] / T::of(count as f64);
        for (n, (s, ds)) in inputs[0].real().chunks(width).zip(ds.chunks_mut(width)).enumerate() {
            L::slopes(s, target(&inputs[1], n, width), share, ds);
        }
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        if let Some(input) = (1..3).find(|&n| tape.needs(n)) {
            return Err(GraphError::NotDifferentiable { op: L::GRADIENT, input });
        }
        let (s, t, dy, v) = (tape.input(0), tape.input(1), tape.input(2), tape.upstream());
        let g = tape.graph();
        let share = g.scale(dy, 1.0 / g.shape(s)[0] as f64)?;
        let curved = L::curvature(g, s, t, v)?;
        Ok(vec![curved.map(|part| g.mul(part, share)).transpose()?, None, None])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let (count, width) = (plan.output.shape[0], plan.output.shape[1]);
        let launch = |(first, rows): (usize, usize)| {
            let (by_workgroup, groups) = grid(plan, rows, width);
            let target = if L::CLASSES { 1 } else { width };
            let window = |operand, width| Window { operand, offset: first * width, len: rows * width };
            Launch {
                kernel: Kernel::new(L::GRADIENT, L::BACKWARD[usize::from(!by_workgroup)], "row_gradient"),
                params: vec![
                    ("rows", rows.into()),
                    ("width", width.into()),
                    ("factor", ((1.0 / count as f64) as f32).into()),
                    ("s_stride", plan.inputs[0].stride.into()),
                    ("t_stride", plan.inputs[1].stride.into()),
                    ("dy_stride", plan.inputs[2].stride.into()),
                    ("ds_stride", plan.output.stride.into()),
                ],
                bindings: vec![
                    Binding::Read(window(Operand::Input(0), width)),
                    Binding::Read(window(Operand::Input(1), target)),
                    Binding::read(Operand::Input(2), 1),
                    Binding::Write(window(Operand::Output, width)),
                ],
                groups,
                flops: 0,
            }
        };
        let runs = plan.runs(L::GRADIENT, count, &[width, 1])?;
        Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let (count, width) = (inputs[0].value.shape()[0], inputs[0].value.shape()[1]);
        let share = terms::share(inputs[2].value.real()[0], inputs[2].error[0], count);
        for (row, e) in rows(inputs).zip(error.chunks_mut(width)) {
            L::slope_errors(&row, share, e);
        }
    }
}

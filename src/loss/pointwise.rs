//! Losses that are a mean over elements, each of one prediction and one target.

use std::fmt::Debug;

use super::head::Sources;
use super::terms;
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{ALIGN, Binding, Kernel, Launch, Launches, Operand, Plan, Tiling, Window, padded};
use crate::op::{Case, Fill, RAGGED, operand, reduce, rounding};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// One element of the loss: its formula, the formula's derivative, and how far f32 may be off.
pub trait Pointwise: Copy + Debug + Send + Sync + 'static {
    /// The loss's name.
    const NAME: &'static str;
    /// The name of the gradient's op.
    const GRADIENT: &'static str;
    /// WGSL of the value's kernel, one workgroup and one invocation a chunk.
    const FORWARD: [&'static str; 2];
    /// WGSL of the gradient's kernel.
    const BACKWARD: &'static str;
    /// WGSL of the kernels that compute both: all runs by one workgroup, a run an invocation, a run a workgroup.
    const HEAD: Sources;

    /// `ℓ(x, t)`
    fn value<T: Scalar>(x: T, t: T) -> T;
    /// `dℓ/dx`
    fn slope<T: Scalar>(x: T, t: T) -> T;
    /// `v · d²ℓ/dx²`, element by element.
    ///
    /// # Errors
    ///
    /// What the ops that it is made of refuse.
    fn curvature(g: &mut Graph, x: NodeId, t: NodeId, v: NodeId) -> Result<NodeId, GraphError>;
    /// The most by which the computed `ℓ` may be off, given the operands' errors.
    fn value_error(x: (f64, f64), t: (f64, f64)) -> f64;
    /// The same of `dℓ/dx`.
    fn slope_error(x: (f64, f64), t: (f64, f64)) -> f64;
    /// Which branch of the formula applies; all one where it is smooth.
    fn branch(_x: f64, _t: f64) -> Option<u32> {
        None
    }
}

/// The mean of a [`Pointwise`] loss over all elements, a scalar.
#[derive(Clone, Copy, Debug)]
pub struct Mean<F>(pub F);

/// The derivative of a [`Mean`] with respect to the predictions: `dx = dy / n · dℓ/dx`.
#[derive(Clone, Copy, Debug)]
pub struct MeanGradient<F>(pub F);

fn operands<'a>(op: &'static str, x: &'a Meta, t: &Meta) -> Result<&'a Shape, GraphError> {
    let shape = operand::real(op, "x", x)?;
    if shape.contains(&0) {
        return Err(operand::misshapen(op, "x", "with at least one element".into(), shape));
    }
    operand::shaped(op, "t", t, shape)?;
    Ok(shape)
}

impl<F: Pointwise> Op for Mean<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x, t] = operand::exactly(F::NAME, inputs)?;
        operands(F::NAME, x, t)?;
        Ok(Meta::real(Shape::scalar()))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let (x, t) = (inputs[0].real(), inputs[1].real());
        y[0] = rounding::sum(x.iter().zip(t).map(|(&x, &t)| F::value(x, t))) / T::of(x.len() as f64);
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        if tape.needs(1) {
            return Err(GraphError::NotDifferentiable { op: F::NAME, input: 1 });
        }
        let (x, t, upstream) = (tape.input(0), tape.input(1), tape.upstream());
        Ok(vec![Some(tape.graph().apply(MeanGradient(self.0), &[x, t, upstream])?), None])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let len = plan.inputs[0].elements();
        let by_workgroup = plan.tiling == Tiling::Workgroup;
        // A run has a multiple of 64 chunks, so that its partial sums start aligned.
        let most = if by_workgroup { 4096 } else { 256 };
        let chunk = (plan.max_elements / ALIGN).clamp(1, most);
        let run = plan.max_elements / (chunk * ALIGN) * (chunk * ALIGN);
        let total = len.div_ceil(chunk);
        let mut all = Launches { scratch: vec![total], list: Vec::new() };
        for offset in (0..len).step_by(run) {
            let count = run.min(len - offset);
            let rows = count.div_ceil(chunk);
            all.list.push(Launch {
                kernel: Kernel::new(F::NAME, F::FORWARD[usize::from(!by_workgroup)], "partial_sums"),
                params: vec![
                    ("rows", rows.into()),
                    ("len", count.into()),
                    ("chunk", chunk.into()),
                    ("x_stride", plan.inputs[0].stride.into()),
                    ("t_stride", plan.inputs[1].stride.into()),
                    ("y_stride", padded(total).into()),
                ],
                bindings: vec![
                    Binding::Read(Window { operand: Operand::Input(0), offset, len: count }),
                    Binding::Read(Window { operand: Operand::Input(1), offset, len: count }),
                    Binding::Write(Window { operand: Operand::Scratch(0), offset: offset / chunk, len: rows }),
                ],
                groups: if by_workgroup { plan.groups(rows) } else { plan.linear(rows, 64) },
                flops: 0,
            });
        }
        reduce::sum_launches(plan, 0, total, 1.0 / len as f64, &mut all);
        Ok(all)
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let (x, t) = (inputs[0].value.real(), inputs[1].value.real());
        let term = |i: usize| {
            let pair = ((x[i], inputs[0].error[i]), (t[i], inputs[1].error[i]));
            (F::value(x[i], t[i]), F::value_error(pair.0, pair.1))
        };
        error[0] = terms::mean((0..x.len()).map(term));
    }

    fn winners(&self, inputs: &[Arg<'_, f64>], out: &mut Vec<u32>) {
        let (x, t) = (inputs[0].real(), inputs[1].real());
        out.extend(x.iter().zip(t).filter_map(|(&x, &t)| F::branch(x, t)));
    }
}

impl<F: Pointwise> Op for MeanGradient<F> {
    fn name(&self) -> &'static str {
        F::GRADIENT
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x, t, upstream] = operand::exactly(F::GRADIENT, inputs)?;
        operands(F::GRADIENT, x, t)?;
        operand::shaped(F::GRADIENT, "dy", upstream, &Shape::scalar())?;
        Ok(x.clone())
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], dx: &mut [T], _: &Context) {
        let (x, t) = (inputs[0].real(), inputs[1].real());
        let share = inputs[2].real()[0] / T::of(x.len() as f64);
        for ((dx, &x), &t) in dx.iter_mut().zip(x).zip(t) {
            *dx = share * F::slope(x, t);
        }
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        if let Some(input) = (1..3).find(|&n| tape.needs(n)) {
            return Err(GraphError::NotDifferentiable { op: F::GRADIENT, input });
        }
        let (x, t, dy, v) = (tape.input(0), tape.input(1), tape.input(2), tape.upstream());
        let g = tape.graph();
        let share = g.scale(dy, 1.0 / g.shape(x).elements() as f64)?;
        let curved = F::curvature(g, x, t, v)?;
        Ok(vec![Some(g.mul(curved, share)?), None, None])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let factor = 1.0 / plan.output.elements() as f64;
        let launch = |(offset, len): (usize, usize)| Launch {
            kernel: Kernel::new(F::GRADIENT, F::BACKWARD, "pointwise_gradient"),
            params: vec![
                ("len", len.into()),
                ("factor", (factor as f32).into()),
                ("x_stride", plan.inputs[0].stride.into()),
                ("t_stride", plan.inputs[1].stride.into()),
                ("dy_stride", plan.inputs[2].stride.into()),
                ("dx_stride", plan.output.stride.into()),
            ],
            bindings: vec![
                Binding::Read(Window { operand: Operand::Input(0), offset, len }),
                Binding::Read(Window { operand: Operand::Input(1), offset, len }),
                Binding::read(Operand::Input(2), 1),
                Binding::Write(Window { operand: Operand::Output, offset, len }),
            ],
            groups: plan.linear(len, 64),
            flops: 0,
        };
        let runs = plan.runs(F::GRADIENT, plan.output.elements(), &[1])?;
        Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let (x, t) = (inputs[0].value.real(), inputs[1].value.real());
        let (share, share_error) = terms::share(inputs[2].value.real()[0], inputs[2].error[0], x.len());
        for (i, e) in error.iter_mut().enumerate() {
            let slope_error = F::slope_error((x[i], inputs[0].error[i]), (t[i], inputs[1].error[i]));
            *e = terms::product(F::slope(x[i], t[i]), slope_error, share, share_error);
        }
    }
}

/// Sizes that go wrong, a batch, edge values, and the gradient's op on its own.
pub(super) fn cases<F: Pointwise>(loss: F, target: Fill) -> Vec<Case> {
    let any = Fill::Uniform(-3.0, 3.0);
    let case = |shape: &[usize]| Case::new(format!("{shape:?}"), Mean(loss)).real(shape, any).fixed(shape, target);
    let edge = |label: &str, fill: Fill| Case::new(label, Mean(loss)).real([9, 7], fill).fixed([9, 7], target).edge();
    let mut cases: Vec<Case> = RAGGED.iter().filter(|&&n| n > 0).map(|&n| case(&[n])).collect();
    cases.extend([case(&[]), case(&[1, 10]), case(&[64, 10]), case(&[3, 5, 7]), case(&[17, 1009])]);
    cases.extend([
        edge("predictions to ±1000", Fill::Uniform(-1000.0, 1000.0)),
        edge("all 1000", Fill::Constant(1000.0)),
        edge("all −1000", Fill::Constant(-1000.0)),
        edge("all 0", Fill::Constant(0.0)),
        Case::new("gradient", MeanGradient(loss))
            .real([65, 3], any)
            .fixed([65, 3], target)
            .fixed([0usize; 0], Fill::Constant(-1.5)),
        Case::new("bench", Mean(loss)).real([4096, 256], any).fixed([4096, 256], target).edge().benched(),
    ]);
    cases
}

//! The derivative of a maximum.

use super::{Axes, rows_by_workgroup};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, wgsl};
use crate::op::{Case, Fill, operand};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// Sends the gradient of each maximum to the first of the largest.
///
/// ```text
/// x : […, n, …]   dy : one number a line   dx : as x
/// dx = dy at the first k with x_k = max x, 0 elsewhere
/// ```
///
/// **On the GPU** `shaders/op/max_gradient.wgsl`: the winner is looked for again, lowest place first. Exact but where the inputs'
/// own errors leave the winner open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxGradient {
    /// Along which axis the maximum was taken; `None` for all elements.
    pub axis: Option<usize>,
}

impl Op for MaxGradient {
    fn name(&self) -> &'static str {
        "max_gradient"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x, upstream] = operand::exactly("max_gradient", inputs)?;
        let shape = operand::real("max_gradient", "x", x)?;
        if let Some(axis) = self.axis {
            operand::axis("max_gradient", shape, axis, true)?;
        }
        let (found, lines) = (operand::real("max_gradient", "dy", upstream)?, Axes::of(shape, self.axis).lines());
        if found.elements() != lines {
            return Err(operand::misshapen("max_gradient", "dy", format!("of {lines} elements"), found));
        }
        Ok(x.clone())
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let axes = Axes::of(inputs[0].shape(), self.axis);
        y.fill(T::zero());
        for (i, &upstream) in inputs[1].real().iter().enumerate() {
            y[axes.winner(inputs[0].real(), i)] = upstream;
        }
    }

    fn gradient(&self, _: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        Err(GraphError::NotDifferentiable { op: "max_gradient", input: 0 })
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let axes = Axes::of(&plan.inputs[0].shape, self.axis);
        let wide = axes.len * axes.inner;
        let launch = |(first, count): (usize, usize)| {
            let axes = Axes { outer: count, ..axes };
            let by_workgroup = rows_by_workgroup(plan, axes);
            let text = if by_workgroup {
                wgsl!("op/max_gradient", "lib/row_workgroup")
            } else {
                wgsl!("op/max_gradient", "lib/row_invocation")
            };
            let window = |operand, width| Window { operand, offset: first * width, len: count * width };
            Launch {
                kernel: Kernel::new("max_gradient", text, "max_gradient"),
                params: vec![
                    ("rows", axes.lines().into()),
                    ("len", axes.len.into()),
                    ("inner", axes.inner.max(1).into()),
                    ("x_stride", plan.inputs[0].stride.into()),
                    ("dy_stride", plan.inputs[1].stride.into()),
                    ("dx_stride", plan.output.stride.into()),
                ],
                bindings: vec![
                    Binding::Read(window(Operand::Input(0), wide)),
                    Binding::Read(window(Operand::Input(1), axes.inner)),
                    Binding::Write(window(Operand::Output, wide)),
                ],
                groups: if by_workgroup { plan.groups(axes.lines()) } else { plan.linear(axes.lines(), 64) },
                flops: 0,
            }
        };
        let runs = plan.runs("max_gradient", axes.outer, &[wide, axes.inner])?;
        Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let axes = Axes::of(inputs[0].value.shape(), self.axis);
        let (x, slack) = (inputs[0].value.real(), inputs[0].error);
        error.fill(0.0);
        for (i, upstream) in inputs[1].value.real().iter().enumerate() {
            let winner = axes.winner(x, i);
            // Whoever may have won instead, and the winner itself, may hold the whole gradient or none of it.
            let mut open = false;
            for k in axes.line(i).filter(|&k| k != winner) {
                if slack[k] + slack[winner] > 0.0 && x[k] + slack[k] >= x[winner] - slack[winner] {
                    error[k] = upstream.abs() + inputs[1].error[i];
                    open = true;
                }
            }
            error[winner] = inputs[1].error[i] + if open { upstream.abs() } else { 0.0 };
        }
    }
}

pub(super) fn cases() -> Vec<Case> {
    let any = Fill::Uniform(-1.0, 1.0);
    let case = |shape: &[usize], axis: Option<usize>| {
        let dy = Axes::of(&Shape::from(shape), axis).lines();
        let label = format!("gradient of max of {shape:?}, {axis:?}");
        Case::new(label, MaxGradient { axis }).fixed(shape, any).fixed([dy], any)
    };
    vec![
        case(&[5, 7, 3], Some(1)),
        case(&[63, 65], Some(0)),
        case(&[3, 1009], Some(1)),
        case(&[1009], None),
        Case::new("gradient of max of equals", MaxGradient { axis: Some(1) })
            .fixed([5, 200], Fill::Constant(0.5))
            .fixed([5], any),
    ]
}

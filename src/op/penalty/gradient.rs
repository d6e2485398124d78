//! The derivative of [`L2`](super::L2).

use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, wgsl};
use crate::op::rounding::{TINY, gamma};
use crate::op::{Case, Fill, operand};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// The gradient of the squared length.
///
/// ```text
/// w, dw : any shape   λ, dy : []
/// dw = λ w dy
/// ```
///
/// **On the GPU** `shaders/op/l2_gradient.wgsl`, two roundings an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L2Gradient;

impl Op for L2Gradient {
    fn name(&self) -> &'static str {
        "l2_gradient"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [w, lambda, upstream] = operand::exactly("l2_gradient", inputs)?;
        operand::real("l2_gradient", "w", w)?;
        operand::shaped("l2_gradient", "λ", lambda, &Shape::scalar())?;
        operand::shaped("l2_gradient", "dy", upstream, &Shape::scalar())?;
        Ok(w.clone())
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], dw: &mut [T], _: &Context) {
        let factor = inputs[1].real()[0] * inputs[2].real()[0];
        for (dw, &w) in dw.iter_mut().zip(inputs[0].real()) {
            *dw = factor * w;
        }
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        if let Some(input) = (1..3).find(|&n| tape.needs(n)) {
            return Err(GraphError::NotDifferentiable { op: "l2_gradient", input });
        }
        let (lambda, dy, upstream) = (tape.input(1), tape.input(2), tape.upstream());
        Ok(vec![Some(tape.graph().apply(*self, &[upstream, lambda, dy])?), None, None])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let launch = |(offset, len): (usize, usize)| Launch {
            kernel: Kernel::new("l2_gradient", wgsl!("op/l2_gradient", "lib/grid"), "l2_gradient"),
            params: vec![
                ("len", len.into()),
                ("w_stride", plan.inputs[0].stride.into()),
                ("lambda_stride", plan.inputs[1].stride.into()),
                ("dy_stride", plan.inputs[2].stride.into()),
                ("dw_stride", plan.output.stride.into()),
            ],
            bindings: vec![
                Binding::Read(Window { operand: Operand::Input(0), offset, len }),
                Binding::read(Operand::Input(1), 1),
                Binding::read(Operand::Input(2), 1),
                Binding::Write(Window { operand: Operand::Output, offset, len }),
            ],
            groups: plan.linear(len, 64),
            flops: 0,
        };
        let runs = plan.runs("l2_gradient", plan.output.elements(), &[1])?;
        Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], dw: &[f64], error: &mut [f64]) {
        let scalar = |n: usize| (inputs[n].value.real()[0].abs(), inputs[n].error[0]);
        let ((lambda, lambda_slack), (dy, dy_slack)) = (scalar(1), scalar(2));
        let largest = (lambda + lambda_slack) * (dy + dy_slack);
        for (i, e) in error.iter_mut().enumerate() {
            let (w, slack) = (inputs[0].value.real()[i].abs(), inputs[0].error[i]);
            let moved = largest * (w + slack) - lambda * dy * w;
            *e = moved + gamma(2) * (dw[i].abs() + moved) + TINY * (1.0 + w + slack);
        }
    }
}

pub(super) fn cases() -> Vec<Case> {
    let case = |shape: &[usize]| {
        Case::new(format!("gradient over {shape:?}"), L2Gradient)
            .real(shape, Fill::Uniform(-1.0, 1.0))
            .fixed([0usize; 0], Fill::Constant(0.3))
            .fixed([0usize; 0], Fill::Constant(-1.5))
    };
    vec![case(&[1009]), case(&[0]), case(&[10, 65])]
}

//! The sum of two gradients of one value: the only op the graph itself needs.

use super::{Arg, BoundArg, Context, Meta, NodeId, Op, Tape};
use crate::error::GraphError;
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, wgsl};
use crate::scalar::Scalar;

/// `y = a + b`, both of one shape: where two paths of the backward pass meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accumulate;

/// The launches of a kernel of `shaders/graph/accumulate.wgsl`.
pub(crate) fn sums(op: &'static str, kernel: Kernel, plan: &Plan) -> Result<Launches, GraphError> {
    let window = |operand, offset, len| Window { operand, offset, len };
    let launch = |(offset, len): (usize, usize)| Launch {
        kernel: kernel.clone(),
        params: vec![
            ("len", len.into()),
            ("a_stride", plan.inputs[0].stride.into()),
            ("b_stride", plan.inputs[1].stride.into()),
            ("y_stride", plan.output.stride.into()),
        ],
        bindings: vec![
            Binding::Read(window(Operand::Input(0), offset, len)),
            Binding::Read(window(Operand::Input(1), offset, len)),
            Binding::Write(window(Operand::Output, offset, len)),
        ],
        groups: plan.linear(len, 64),
        flops: 0,
    };
    let runs = plan.runs(op, plan.output.elements(), &[1])?;
    Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
}

impl Op for Accumulate {
    fn name(&self) -> &'static str {
        "accumulate"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [a, b] = inputs else {
            return Err(GraphError::Arity { op: "accumulate", expected: 2, found: inputs.len() });
        };
        if a != b {
            let (expected, found) = (a.shape.to_string(), b.shape.clone());
            return Err(GraphError::Shape { op: "accumulate", operand: "b", expected, found });
        }
        Ok(a.clone())
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        for ((y, &a), &b) in y.iter_mut().zip(inputs[0].real()).zip(inputs[1].real()) {
            *y = a + b;
        }
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        Ok(vec![Some(tape.upstream()); 2])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        const SOURCE: &str = wgsl!("graph/accumulate", "lib/grid", "op/identity");
        sums("accumulate", Kernel::new("accumulate", SOURCE, "accumulate"), plan)
    }

    fn bound(&self, inputs: &[BoundArg<'_>], y: &[f64], error: &mut [f64]) {
        for (i, e) in error.iter_mut().enumerate() {
            *e = inputs[0].error[i] + inputs[1].error[i] + EPSILON * y[i].abs();
        }
    }
}

/// Half the distance from 1 to the next f32: the relative error of one rounding.
const EPSILON: f64 = f32::EPSILON as f64 / 2.0;

//! The derivative of [`Moments`](super::Moments).

use super::{By, Near, Over};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, wgsl};
use crate::op::{Case, Fill, operand};
use crate::scalar::Scalar;

/// What each element hears of its set's mean and variance.
///
/// ```text
/// dy, moments : [2, sets]   x, dx : [N, C, …]
/// dx = (dy[0, s] + 2 (x − μ) dy[1, s]) / m
/// ```
///
/// **On the GPU** `shaders/op/moments_gradient.wgsl`, 8 bytes an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MomentsGradient {
    /// As in the [`Moments`](super::Moments).
    pub over: Over,
}

const NAME: &str = "moments_gradient";

impl Op for MomentsGradient {
    fn name(&self) -> &'static str {
        NAME
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [dy, x, moments] = operand::exactly(NAME, inputs)?;
        let layout = self.over.layout(NAME, "x", operand::real(NAME, "x", x)?)?;
        let wanted = [2, layout.sets].into();
        operand::shaped(NAME, "dy", dy, &wanted)?;
        operand::shaped(NAME, "moments", moments, &wanted)?;
        Ok(x.clone())
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], dx: &mut [T], _: &Context) {
        let layout = self.over.of(inputs[1].shape());
        let (x, mean) = (inputs[1].real(), inputs[2].real());
        let share = T::of(1.0 / layout.view(By::Set).len as f64);
        let (d_mean, d_variance) = inputs[0].real().split_at(layout.sets);
        let two = T::of(2.0);
        layout.each(|i, s, _| dx[i] = (d_mean[s] + two * (x[i] - mean[s]) * d_variance[s]) * share);
    }

    fn gradient(&self, _: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        Err(GraphError::NotDifferentiable { op: NAME, input: 0 })
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let layout = self.over.of(&plan.output.shape);
        let share = 1.0 / layout.view(By::Set).len as f64;
        let launch = |(offset, len): (usize, usize)| Launch {
            kernel: Kernel::new(NAME, wgsl!("op/moments_gradient", "lib/grid"), NAME),
            params: vec![
                ("len", len.into()),
                ("first", offset.into()),
                ("inner", layout.set_inner.into()),
                ("sets", layout.sets.into()),
                ("share", (share as f32).into()),
                ("dy_stride", plan.inputs[0].stride.into()),
                ("x_stride", plan.inputs[1].stride.into()),
                ("moments_stride", plan.inputs[2].stride.into()),
                ("dx_stride", plan.output.stride.into()),
            ],
            bindings: vec![
                Binding::read(Operand::Input(0), 2 * layout.sets),
                Binding::Read(Window { operand: Operand::Input(1), offset, len }),
                Binding::read(Operand::Input(2), 2 * layout.sets),
                Binding::Write(Window { operand: Operand::Output, offset, len }),
            ],
            groups: plan.linear(len, 64),
            flops: 0,
        };
        let runs = plan.runs(NAME, layout.elements, &[1])?;
        Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let layout = self.over.of(inputs[1].value.shape());
        let share = Near::constant(1.0 / layout.view(By::Set).len as f64);
        let at = |n: usize, i: usize| Near::new(inputs[n].value.real()[i], inputs[n].error[i]);
        layout.each(|i, s, _| {
            let centred = Near::sum([at(1, i), at(2, s).negated()]);
            let slope = Near::new(2.0, 0.0).times(centred).times(at(0, layout.sets + s));
            error[i] = Near::sum([at(0, s), slope]).times(share).error;
        });
    }
}

pub(super) fn cases() -> Vec<Case> {
    let any = Fill::Uniform(-0.5, 1.5);
    let case = |(over, shape): (Over, Vec<usize>)| {
        let sets = over.of(&shape.as_slice().into()).sets;
        Case::new(format!("{over:?} of {shape:?}"), MomentsGradient { over })
            .fixed([2, sets], any)
            .fixed(shape.as_slice(), any)
            .fixed([2, sets], any)
    };
    super::shapes().into_iter().map(case).collect()
}

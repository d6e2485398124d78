//! What statistics hear that are not those of the values they normalise.

use super::{at, in_range, near_rstds, rstds};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, wgsl};
use crate::op::moments::Near;
use crate::op::{Case, Fill, operand};
use crate::scalar::Scalar;

/// The gradient of the mean and the variance that a [`Normalize`](super::Normalize) was given.
///
/// ```text
/// sums : [2, sets], by set   moments, y : [2, sets]
/// y[0] = − sums[0] / √(σ² + ε)        y[1] = − ½ sums[1] / (σ² + ε)
/// ```
///
/// **On the GPU** `shaders/op/statistics_gradient.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StatisticsGradient {
    /// As in the [`Normalize`](super::Normalize).
    pub epsilon: f64,
}

const NAME: &str = "statistics_gradient";

impl Op for StatisticsGradient {
    fn name(&self) -> &'static str {
        NAME
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        in_range(NAME, self.epsilon)?;
        let [sums, moments] = operand::exactly(NAME, inputs)?;
        let shape = operand::real(NAME, "sums", sums)?;
        if shape.rank() != 2 || shape[0] != 2 {
            return Err(operand::misshapen(NAME, "sums", "[2, sets]".into(), shape));
        }
        operand::shaped(NAME, "moments", moments, shape)?;
        Ok(sums.clone())
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let (sums, rstd) = (inputs[0].real(), rstds(inputs[1].real(), self.epsilon));
        let (half, sets) = (T::of(0.5), rstd.len());
        for (s, r) in rstd.into_iter().enumerate() {
            y[s] = -sums[s] * r;
            y[sets + s] = -half * sums[sets + s] * r * r;
        }
    }

    fn gradient(&self, _: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        Err(GraphError::NotDifferentiable { op: NAME, input: 0 })
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        plan.whole(NAME)?;
        let sets = plan.output.shape[1];
        Ok(Launch {
            kernel: Kernel::new(NAME, wgsl!("op/statistics_gradient", "lib/grid"), NAME),
            params: vec![
                ("sets", sets.into()),
                ("epsilon", (self.epsilon as f32).into()),
                ("sums_stride", plan.inputs[0].stride.into()),
                ("moments_stride", plan.inputs[1].stride.into()),
                ("y_stride", plan.output.stride.into()),
            ],
            bindings: vec![
                Binding::read(Operand::Input(0), 2 * sets),
                Binding::read(Operand::Input(1), 2 * sets),
                Binding::write(Operand::Output, 2 * sets),
            ],
            groups: plan.linear(sets, 64),
            flops: 0,
        }
        .into())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let rstd = near_rstds(&inputs[1], self.epsilon);
        let sets = rstd.len();
        for (s, r) in rstd.into_iter().enumerate() {
            error[s] = at(inputs, 0, s).times(r).error;
            error[sets + s] = Near::new(0.5, 0.0).times(at(inputs, 0, sets + s)).times(r).times(r).error;
        }
    }
}

pub(super) fn cases() -> Vec<Case> {
    let case = |sets: usize| {
        Case::new(format!("{sets} sets"), StatisticsGradient { epsilon: 1e-5 })
            .fixed([2, sets], Fill::Uniform(-1.0, 1.0))
            .fixed([2, sets], Fill::Uniform(0.5, 1.5))
    };
    vec![case(1), case(67), case(130), case(0)]
}

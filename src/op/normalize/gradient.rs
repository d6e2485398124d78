//! What the input of a [`Normalize`](super::Normalize) hears.

use super::{at, in_range, near_rstds, rstds};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, wgsl};
use crate::op::moments::{By, Near, Over};
use crate::op::{Case, Fill, operand};
use crate::scalar::Scalar;

/// The gradient of x, with the statistics held still or moving with it.
///
/// ```text
/// dy, x, dx : [N, C, …]   moments, sums : [2, sets]   weight as Over says
/// dx = dy·w / √(σ² + ε)                                                     operands dy, moments, weight
/// dx = (dy·w − (sums[0] + x̂·sums[1]) / m) / √(σ² + ε)    through them:    dy, moments, weight, x, sums
/// ```
///
/// `sums` are those of [`NormalizeSums`](super::NormalizeSums) by set. **On the GPU** `shaders/op/normalize_gradient.wgsl`: one pass, 8 or 12
/// bytes an element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormalizeGradient {
    /// As in the [`Normalize`](super::Normalize).
    pub over: Over,
    /// As there.
    pub epsilon: f64,
    /// Whether the moments are x's own and move with it.
    pub through: bool,
}

const NAME: &str = "normalize_gradient";

impl Op for NormalizeGradient {
    fn name(&self) -> &'static str {
        NAME
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        in_range(NAME, self.epsilon)?;
        let expected = if self.through { 5 } else { 3 };
        if inputs.len() != expected {
            return Err(GraphError::Arity { op: NAME, expected, found: inputs.len() });
        }
        let shape = operand::real(NAME, "dy", &inputs[0])?;
        let moments = [2, self.over.layout(NAME, "dy", shape)?.sets].into();
        operand::shaped(NAME, "moments", &inputs[1], &moments)?;
        operand::shaped(NAME, "weight", &inputs[2], &self.over.parameters(shape))?;
        if self.through {
            operand::shaped(NAME, "x", &inputs[3], shape)?;
            operand::shaped(NAME, "sums", &inputs[4], &moments)?;
        }
        Ok(inputs[0].clone())
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], dx: &mut [T], _: &Context) {
        let [dy, moments, weight] = [0, 1, 2].map(|n| inputs[n].real());
        let (layout, rstd) = (self.over.of(inputs[0].shape()), rstds(moments, self.epsilon));
        if self.through {
            let (x, (plain, along)) = (inputs[3].real(), inputs[4].real().split_at(layout.sets));
            let share = T::of(1.0 / layout.view(By::Set).len as f64);
            layout.each(|i, s, p| {
                let hat = (x[i] - moments[s]) * rstd[s];
                dx[i] = (dy[i] * weight[p] - (plain[s] + hat * along[s]) * share) * rstd[s];
            });
        } else {
            layout.each(|i, s, p| dx[i] = dy[i] * weight[p] * rstd[s]);
        }
    }

    fn gradient(&self, _: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        Err(GraphError::NotDifferentiable { op: NAME, input: 0 })
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let layout = self.over.of(&plan.output.shape);
        let share = 1.0 / layout.view(By::Set).len as f64;
        // Where the statistics stand still, the bindings of x and the sums hold dy and the moments, unread.
        let (x, sums) = if self.through { (3, 4) } else { (0, 1) };
        let flag = |flag: bool| f64::from(u8::from(flag));
        let run = layout.run(plan.tiling);
        let launch = |(offset, len): (usize, usize)| Launch {
            kernel: Kernel::new(NAME, wgsl!("op/normalize_gradient", "lib/grid"), NAME)
                .constant("SAME", flag(layout.same()))
                .constant("THROUGH", flag(self.through))
                .constant("RUN", run as f64),
            params: vec![
                ("len", len.into()),
                ("first", offset.into()),
                ("set_inner", layout.set_inner.into()),
                ("sets", layout.sets.into()),
                ("per", layout.per.into()),
                ("count", layout.params.into()),
                ("epsilon", (self.epsilon as f32).into()),
                ("share", (share as f32).into()),
                ("dy_stride", plan.inputs[0].stride.into()),
                ("moments_stride", plan.inputs[1].stride.into()),
                ("weight_stride", plan.inputs[2].stride.into()),
                ("x_stride", plan.inputs[x].stride.into()),
                ("sums_stride", plan.inputs[sums].stride.into()),
                ("dx_stride", plan.output.stride.into()),
            ],
            bindings: vec![
                Binding::Read(Window { operand: Operand::Input(0), offset, len }),
                Binding::read(Operand::Input(1), 2 * layout.sets),
                Binding::read(Operand::Input(2), layout.params),
                Binding::Read(Window { operand: Operand::Input(x), offset, len }),
                Binding::read(Operand::Input(sums), 2 * layout.sets),
                Binding::Write(Window { operand: Operand::Output, offset, len }),
            ],
            groups: plan.linear(len.div_ceil(run), 64),
            flops: 0,
        };
        let runs = plan.runs(NAME, layout.elements, &[1])?;
        Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let (layout, rstd) = (self.over.of(inputs[0].value.shape()), near_rstds(&inputs[1], self.epsilon));
        let share = Near::constant(1.0 / layout.view(By::Set).len as f64);
        layout.each(|i, s, p| {
            let mut slope = at(inputs, 0, i).times(at(inputs, 2, p));
            if self.through {
                let hat = Near::sum([at(inputs, 3, i), at(inputs, 1, s).negated()]).times(rstd[s]);
                let along = hat.times(at(inputs, 4, layout.sets + s));
                slope = Near::sum([slope, Near::sum([at(inputs, 4, s), along]).times(share).negated()]);
            }
            error[i] = slope.times(rstd[s]).error;
        });
    }
}

pub(super) fn cases() -> Vec<Case> {
    let (any, positive) = (Fill::Uniform(-0.5, 1.5), Fill::Uniform(0.5, 1.5));
    let mut cases = Vec::new();
    for (over, shape) in crate::op::moments::shapes() {
        for through in [false, true] {
            let (sets, shape) = (over.of(&shape.as_slice().into()).sets, shape.as_slice());
            let what = if through { "through" } else { "beside" };
            let op = NormalizeGradient { over, epsilon: 1e-5, through };
            let case = Case::new(format!("{what}, {over:?} of {shape:?}"), op)
                .fixed(shape, any)
                .fixed([2, sets], positive)
                .fixed(over.parameters(&shape.into()), any);
            cases.push(if through { case.fixed(shape, any).fixed([2, sets], any) } else { case });
        }
    }
    cases
}

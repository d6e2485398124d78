//! What the backward pass of a [`Normalize`](super::Normalize) adds up.

use super::{at, in_range, near_rstds, rstds};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, padded, wgsl};
use crate::op::moments::{By, Cut, Layout, Near, Over, sum_depth};
use crate::op::reduce::sum_parts;
use crate::op::rounding::{TINY, gamma};
use crate::op::{Case, Fill, operand};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// Σ dy and Σ dy·x̂ of each parameter's elements, or Σ dy·w and Σ dy·w·x̂ of each set's.
///
/// ```text
/// dy, x : [N, C, …]   moments : [2, sets]   weight, by sets alone: as Over says
/// y : [2, …weight's shape] by parameter, [2, sets] by set
/// ```
///
/// **On the GPU** `shaders/op/normalize_sums.wgsl`: one pass over dy and x for both sums, cut into parts that fill a card; the parts'
/// sums are added by fixed trees. dy and x must each fit one binding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormalizeSums {
    /// As in the [`Normalize`](super::Normalize).
    pub over: Over,
    /// As there.
    pub epsilon: f64,
    /// Whose elements are added up.
    pub by: By,
}

const NAME: &str = "normalize_sums";

impl NormalizeSums {
    fn layout(&self, inputs: &[BoundArg<'_>]) -> Layout {
        self.over.of(inputs[0].value.shape())
    }
}

impl Op for NormalizeSums {
    fn name(&self) -> &'static str {
        NAME
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        in_range(NAME, self.epsilon)?;
        let expected = if self.by == By::Set { 4 } else { 3 };
        if inputs.len() != expected {
            return Err(GraphError::Arity { op: NAME, expected, found: inputs.len() });
        }
        let shape = operand::real(NAME, "dy", &inputs[0])?;
        let layout = self.over.layout(NAME, "dy", shape)?;
        let parameters = self.over.parameters(shape);
        operand::shaped(NAME, "x", &inputs[1], shape)?;
        operand::shaped(NAME, "moments", &inputs[2], &[2, layout.sets].into())?;
        Ok(Meta::real(match self.by {
            By::Set => {
                operand::shaped(NAME, "weight", &inputs[3], &parameters)?;
                Shape::from([2, layout.sets])
            }
            By::Parameter => Shape::from([&[2], parameters.axes()].concat()),
        }))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let [dy, x, moments] = [0, 1, 2].map(|n| inputs[n].real());
        let (layout, rstd) = (self.over.of(inputs[0].shape()), rstds(moments, self.epsilon));
        let hat = |i: usize, s: usize| (x[i] - moments[s]) * rstd[s];
        let sums = match self.by {
            By::Parameter => layout.sums(self.by, |i, s, _| [dy[i], dy[i] * hat(i, s)]),
            By::Set => {
                let weight = inputs[3].real();
                layout.sums(self.by, |i, s, p| {
                    let slope = dy[i] * weight[p];
                    [slope, slope * hat(i, s)]
                })
            }
        };
        let (plain, along) = y.split_at_mut(sums.len());
        for ((plain, along), [sum, product]) in plain.iter_mut().zip(along).zip(sums) {
            (*plain, *along) = (sum, product);
        }
    }

    fn gradient(&self, _: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        Err(GraphError::NotDifferentiable { op: NAME, input: 0 })
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        plan.whole(NAME)?;
        let layout = self.over.of(&plan.inputs[0].shape);
        let (view, weighted) = (layout.view(self.by), self.by == By::Set);
        let cut = Cut::of(plan, view);
        let (rows, written) = (view.classes * cut.parts, 2 * view.classes * cut.parts);
        let (target, y_stride) =
            if cut.parts == 1 { (Operand::Output, plan.output.stride) } else { (Operand::Scratch(0), padded(written)) };
        let text = if cut.by_workgroup {
            wgsl!("op/normalize_sums", "lib/row_workgroup")
        } else {
            wgsl!("op/normalize_sums", "lib/row_invocation")
        };
        // Without weights their binding holds the moments, unread.
        let (weight, weights) = if weighted { (3, layout.params) } else { (2, 2 * layout.sets) };
        let flag = |flag: bool| f64::from(u8::from(flag));
        let mut all = Launches::from(Launch {
            kernel: Kernel::new(NAME, text, NAME)
                .constant("WEIGHTED", flag(weighted))
                .constant("FIXED", flag(weighted || layout.same())),
            params: vec![
                ("rows", rows.into()),
                ("classes", view.classes.into()),
                ("inner", view.inner.into()),
                ("len", view.len.into()),
                ("chunk", cut.chunk.into()),
                ("set_inner", layout.set_inner.into()),
                ("sets", layout.sets.into()),
                ("per", layout.per.into()),
                ("count", layout.params.into()),
                ("epsilon", (self.epsilon as f32).into()),
                ("dy_stride", plan.inputs[0].stride.into()),
                ("x_stride", plan.inputs[1].stride.into()),
                ("moments_stride", plan.inputs[2].stride.into()),
                ("weight_stride", plan.inputs[weight].stride.into()),
                ("y_stride", y_stride.into()),
            ],
            bindings: vec![
                Binding::read(Operand::Input(0), layout.elements),
                Binding::read(Operand::Input(1), layout.elements),
                Binding::read(Operand::Input(2), 2 * layout.sets),
                Binding::read(Operand::Input(weight), weights),
                Binding::write(target, written),
            ],
            groups: cut.groups(plan, rows),
            flops: 6 * layout.elements as u64,
        });
        if cut.parts > 1 {
            all.scratch.push(written);
            sum_parts(plan, 0, cut.parts, 2 * view.classes, &mut all);
        }
        Ok(all)
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let (layout, rstd) = (self.layout(inputs), near_rstds(&inputs[2], self.epsilon));
        let view = layout.view(self.by);
        let g = gamma(sum_depth(view, 2).max(layout.depth(self.by)));
        let sums = layout.sums(self.by, |i, s, p| {
            let hat = Near::sum([at(inputs, 1, i), at(inputs, 2, s).negated()]).times(rstd[s]);
            let mut slope = at(inputs, 0, i);
            if self.by == By::Set {
                slope = slope.times(at(inputs, 3, p));
            }
            let product = slope.times(hat);
            [slope.error, slope.most(), product.error, product.most()]
        });
        let classes = view.classes;
        for (c, [e, size, e_product, size_product]) in sums.into_iter().enumerate() {
            let flushed = view.len as f64 * TINY;
            error[c] = e + g * size + flushed;
            error[classes + c] = e_product + g * size_product + flushed;
        }
    }
}

pub(super) fn cases() -> Vec<Case> {
    let any = Fill::Uniform(-0.5, 1.5);
    let mut cases = Vec::new();
    for (over, shape) in crate::op::moments::shapes() {
        for by in [By::Parameter, By::Set] {
            let sets = over.of(&shape.as_slice().into()).sets;
            let op = NormalizeSums { over, epsilon: 1e-5, by };
            let case = Case::new(format!("by {by:?}, {over:?} of {shape:?}"), op)
                .fixed(shape.as_slice(), any)
                .fixed(shape.as_slice(), any)
                // Means that leave most of x on one side: a sum of x̂ of either sign would be all rounding.
                .fixed([2, sets], Fill::Uniform(0.0, 0.25));
            let weight = over.parameters(&shape.as_slice().into());
            cases.push(if by == By::Set { case.fixed(weight, any) } else { case });
        }
    }
    cases
}

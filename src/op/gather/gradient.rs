//! The derivative of [`Gather`](super::Gather) with respect to its table.

use super::row;
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, wgsl};
use crate::op::rounding::{TINY, gamma};
use crate::op::{Case, Fill, operand};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// Adds up the gradients of the rows that were taken from the same place.
///
/// ```text
/// index : [M…]   dy : [M…, D…]   dtable : [rows, D…]
/// dtable[n] = Σ dy[m] over the m with min(index[m], rows − 1) = n
/// ```
///
/// **On the GPU** `shaders/op/gather_gradient.wgsl`: each element goes through the indices in order, so M reads an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatherGradient {
    /// Rows of the table.
    pub rows: usize,
}

/// Elements of one row of dy.
fn width(index: &Shape, dy: &Shape) -> usize {
    dy[index.rank()..].iter().product()
}

impl Op for GatherGradient {
    fn name(&self) -> &'static str {
        "gather_gradient"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [index, upstream] = operand::exactly("gather_gradient", inputs)?;
        let picks = operand::index("gather_gradient", "index", index)?;
        let shape = operand::real("gather_gradient", "dy", upstream)?;
        let Some(row) = shape.axes().strip_prefix(picks.axes()) else {
            let expected = format!("[M…, D…] for indices of shape {picks}");
            return Err(operand::misshapen("gather_gradient", "dy", expected, shape));
        };
        if self.rows == 0 {
            let (op, field, range) = ("gather_gradient", "rows", "at least 1");
            return Err(GraphError::Range { op, field, range, found: "0".into() });
        }
        Ok(Meta::real([&[self.rows], row].concat()))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], dtable: &mut [T], _: &Context) {
        let width = width(inputs[0].shape(), inputs[1].shape());
        dtable.fill(T::zero());
        for (m, &index) in inputs[0].index().iter().enumerate() {
            let to = row(index, self.rows) * width;
            for d in 0..width {
                dtable[to + d] += inputs[1].real()[m * width + d];
            }
        }
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (index, upstream) = (tape.input(0), tape.upstream());
        Ok(vec![None, Some(tape.graph().gather(upstream, index)?)])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let (picks, width) = (plan.inputs[0].elements(), width(&plan.inputs[0].shape, &plan.inputs[1].shape));
        if picks * width > plan.max_elements {
            let (op, elements) = ("gather_gradient", picks * width);
            return Err(GraphError::TooLarge { op, elements, limit: plan.max_elements });
        }
        let launch = |(first, rows): (usize, usize)| Launch {
            kernel: Kernel::new("gather_gradient", wgsl!("op/gather_gradient", "lib/grid"), "gather_gradient"),
            params: vec![
                ("count", (rows * width).into()),
                ("first", first.into()),
                ("rows", self.rows.into()),
                ("width", width.max(1).into()),
                ("picks", picks.into()),
                ("index_stride", plan.inputs[0].stride.into()),
                ("dy_stride", plan.inputs[1].stride.into()),
                ("dtable_stride", plan.output.stride.into()),
            ],
            bindings: vec![
                Binding::read(Operand::Input(0), picks),
                Binding::read(Operand::Input(1), picks * width),
                Binding::Write(Window { operand: Operand::Output, offset: first * width, len: rows * width }),
            ],
            groups: plan.linear(rows * width, 64),
            flops: 0,
        };
        let runs = plan.runs("gather_gradient", self.rows, &[width])?;
        Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let index = inputs[0].value.shape();
        let (picks, width) = (index.elements(), width(index, inputs[1].value.shape()));
        error.fill(0.0);
        for (m, &index) in inputs[0].value.index().iter().enumerate() {
            let to = row(index, self.rows) * width;
            for d in 0..width {
                let (value, slack) = (inputs[1].value.real()[m * width + d], inputs[1].error[m * width + d]);
                error[to + d] += slack + gamma(picks) * (value.abs() + slack) + TINY;
            }
        }
    }
}

pub(super) fn cases() -> Vec<Case> {
    let any = Fill::Uniform(-1.0, 1.0);
    let case = |rows: usize, picks: usize, width: &[usize]| {
        let dy: Vec<usize> = [picks].iter().chain(width).copied().collect();
        Case::new(format!("gradient of {picks} of {rows} rows of {width:?}"), GatherGradient { rows })
            .fixed([picks], Fill::Index(rows as u32))
            .real(dy, any)
    };
    let shaped = |index: &[usize], width: &[usize]| {
        Case::new(format!("gradient of rows {index:?} of {width:?}"), GatherGradient { rows: 6 })
            .fixed(index, Fill::Index(6))
            .real([index, width].concat(), any)
    };
    let mut cases = vec![case(1, 63, &[]), case(5, 64, &[3]), case(67, 65, &[2, 5]), case(7, 0, &[3])];
    cases.extend([shaped(&[4, 5], &[3]), shaped(&[2, 3, 4], &[]), shaped(&[3, 0], &[2]), shaped(&[], &[2, 2])]);
    cases
}

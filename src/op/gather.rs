//! Rows of a table by index: minibatches, embeddings.

mod gradient;

pub use gradient::GatherGradient;

use super::{Case, Fill, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, wgsl};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// Whole rows of a table, in the order of the indices.
///
/// ```text
/// table : [N, D…], N ≥ 1   index : [M…]   y : [M…, D…]
/// y[m] = table[min(index[m], N − 1)]
/// ∂L/∂table[n] = Σ ∂L/∂y[m] over the m with index[m] = n
/// ```
///
/// An index beyond the last row takes the last row, on both devices alike: a kernel has no way to refuse. Data sets and labels are checked before
/// they are fed.
///
/// **On the GPU** `shaders/op/gather.wgsl`: a copy, exact; a table over one binding takes several launches. The derivative sums in order of m without atomics: the same bits each time.
///
/// With `index = 0, 1, …, N − 1` the table itself comes out. PyTorch: `torch.nn.functional.embedding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gather;

fn row(index: u32, rows: usize) -> usize {
    (index as usize).min(rows - 1)
}

impl Op for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [table, index] = operand::exactly("gather", inputs)?;
        let shape = operand::real("gather", "table", table)?;
        if shape.first().is_none_or(|&rows| rows == 0) {
            return Err(operand::misshapen("gather", "table", "[N, D…] with N ≥ 1".into(), shape));
        }
        let picks = operand::index("gather", "index", index)?;
        Ok(Meta::real([picks.axes(), &shape[1..]].concat()))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let (_, rows, width) = inputs[0].shape().around(0);
        for (m, &index) in inputs[1].index().iter().enumerate() {
            let from = row(index, rows) * width;
            y[m * width..(m + 1) * width].copy_from_slice(&inputs[0].real()[from..from + width]);
        }
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (table, index, upstream) = (tape.input(0), tape.input(1), tape.upstream());
        let graph = tape.graph();
        let op = GatherGradient { rows: graph.shape(table)[0] };
        Ok(vec![Some(graph.apply(op, &[index, upstream])?), None])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let (_, rows, width) = plan.inputs[0].shape.around(0);
        let launch = |(first, here): (usize, usize), (pick, picks): (usize, usize)| Launch {
            kernel: Kernel::new("gather", wgsl!("op/gather", "lib/grid"), "gather"),
            params: vec![
                ("count", (picks * width).into()),
                ("rows", rows.into()),
                ("first", first.into()),
                ("here", here.into()),
                ("width", width.max(1).into()),
                ("table_stride", plan.inputs[0].stride.into()),
                ("index_stride", plan.inputs[1].stride.into()),
                ("y_stride", plan.output.stride.into()),
            ],
            bindings: vec![
                Binding::Read(Window { operand: Operand::Input(0), offset: first * width, len: here * width }),
                Binding::Read(Window { operand: Operand::Input(1), offset: pick, len: picks }),
                Binding::Write(Window { operand: Operand::Output, offset: pick * width, len: picks * width }),
            ],
            groups: plan.linear(picks * width, 64),
            flops: 0,
        };
        // A table over one binding is gone through in runs, each of which serves the indices that fall into it.
        let tables = plan.runs("gather", rows, &[width])?;
        let picks = plan.runs("gather", plan.inputs[1].elements(), &[width, 1])?;
        let list = tables.iter().flat_map(|&table| picks.iter().map(move |&pick| (table, pick)));
        Ok(list.map(|(table, pick)| launch(table, pick)).collect::<Vec<_>>().into())
    }

    fn touched(&self, n: usize, input: &Shape, y: &Shape) -> usize {
        if n == 0 { input.elements().min(y.elements()) } else { input.elements() }
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let (_, rows, width) = inputs[0].value.shape().around(0);
        for (m, &index) in inputs[1].value.index().iter().enumerate() {
            let from = row(index, rows) * width;
            error[m * width..(m + 1) * width].copy_from_slice(&inputs[0].error[from..from + width]);
        }
    }
}

/// Builder.
impl Graph {
    /// The rows of `table` that `index` names, in its order. See [`Gather`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if the table has no rows, [`GraphError::Dtype`] if they hold the wrong things.
    pub fn gather(&mut self, table: NodeId, index: NodeId) -> Result<NodeId, GraphError> {
        self.apply(Gather, &[table, index])
    }
}

/// What the suite checks.
pub fn cases() -> Vec<Case> {
    let any = Fill::Uniform(-1.0, 1.0);
    let case = |table: &[usize], picks: usize, below: u32| {
        Case::new(format!("{picks} rows of {table:?}"), Gather).real(table, any).fixed([picks], Fill::Index(below))
    };
    let shaped = |table: &[usize], index: &[usize]| {
        let label = format!("rows {index:?} of {table:?}");
        Case::new(label, Gather).real(table, any).fixed(index, Fill::Index(table[0] as u32))
    };
    let mut cases: Vec<Case> = super::RAGGED.iter().map(|&picks| case(&[67, 3], picks, 67)).collect();
    cases.extend([
        case(&[1], 1, 1),
        case(&[1009], 65, 1009),
        case(&[5, 2, 3, 7], 63, 5),
        case(&[3, 0], 5, 3),
        case(&[2, 65], 131, 2),
        Case::new("indices beyond the last row", Gather).real([4, 5], any).fixed([63], Fill::Index(9)),
        shaped(&[7, 3], &[5, 4]),
        shaped(&[7, 2, 3], &[2, 0, 3]),
        shaped(&[7], &[3, 5, 2]),
        shaped(&[7, 3], &[]),
        case(&[10_000, 784], 64, 10_000).edge().benched(),
    ]);
    cases.extend(gradient::cases());
    cases
}

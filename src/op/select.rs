//! One row of the first axis.

use super::{Case, Fill, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, wgsl};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// `x[index]`: PyTorch's `select(0, index)`.
///
/// ```text
/// x : [n, …]   y : […]
/// y = x[index]   dx = dy in that row, 0 elsewhere
/// ```
///
/// **On the GPU** `shaders/op/select.wgsl`: one copy of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Select {
    /// Which row, below n.
    pub index: usize,
}

/// The derivative of a [`Select`]: `dy` as row `index` of `rows`, the others 0.
///
/// **On the GPU** `shaders/op/select_gradient.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectGradient {
    /// Which row.
    pub index: usize,
    /// Of how many.
    pub rows: usize,
}

const NAME: &str = "select";
const GRADIENT: &str = "select_gradient";

impl Op for Select {
    fn name(&self) -> &'static str {
        NAME
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x] = operand::reals(NAME, inputs, ["x"])?;
        if x.first().is_none_or(|&rows| self.index >= rows) {
            return Err(operand::misshapen(NAME, "x", format!("[n, …] with n > {}", self.index), x));
        }
        Ok(Meta::real(&x[1..]))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let first = self.index * y.len();
        y.copy_from_slice(&inputs[0].real()[first..first + y.len()]);
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (x, upstream) = (tape.input(0), tape.upstream());
        let rows = tape.graph().shape(x)[0];
        Ok(vec![Some(tape.graph().apply(SelectGradient { index: self.index, rows }, &[upstream])?)])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let kernel = Kernel::new(NAME, wgsl!("op/select", "lib/grid"), "select_row");
        launches(plan, kernel, NAME, plan.output.elements(), self.index)
    }

    fn touched(&self, _: usize, _: &Shape, y: &Shape) -> usize {
        y.elements()
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let first = self.index * error.len();
        error.copy_from_slice(&inputs[0].error[first..first + error.len()]);
    }
}

impl Op for SelectGradient {
    fn name(&self) -> &'static str {
        GRADIENT
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [dy] = operand::reals(GRADIENT, inputs, ["dy"])?;
        if self.index >= self.rows {
            let found = format!("{} of {}", self.index, self.rows);
            return Err(GraphError::Range { op: GRADIENT, field: "index", range: "below `rows`", found });
        }
        Ok(Meta::real(Shape::from([&[self.rows], dy.axes()].concat())))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], dx: &mut [T], _: &Context) {
        let dy = inputs[0].real();
        dx.fill(T::zero());
        dx[self.index * dy.len()..][..dy.len()].copy_from_slice(dy);
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let upstream = tape.upstream();
        Ok(vec![Some(tape.graph().apply(Select { index: self.index }, &[upstream])?)])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let kernel = Kernel::new(GRADIENT, wgsl!("op/select_gradient", "lib/grid"), GRADIENT);
        launches(plan, kernel, GRADIENT, plan.inputs[0].elements(), self.index)
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let e = inputs[0].error;
        error.fill(0.0);
        error[self.index * e.len()..][..e.len()].copy_from_slice(e);
    }
}

/// One invocation an element of the output.
fn launches(
    plan: &Plan,
    kernel: Kernel,
    op: &'static str,
    row: usize,
    index: usize,
) -> Result<Launches, GraphError> {
    plan.whole(op)?;
    let len = plan.output.elements();
    Ok(Launch {
        kernel,
        params: vec![
            ("len", len.into()),
            ("row", row.into()),
            ("index", index.into()),
            ("x_stride", plan.inputs[0].stride.into()),
            ("y_stride", plan.output.stride.into()),
        ],
        bindings: vec![
            Binding::read(Operand::Input(0), plan.inputs[0].elements()),
            Binding::write(Operand::Output, len),
        ],
        groups: plan.linear(len, 64),
        flops: 0,
    }
    .into())
}

impl Graph {
    /// `x[index]` along the first axis, which goes. See [`Select`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if x has no such row, [`GraphError::Dtype`].
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::{Graph, graph::{Arg, Context, Op}, op::select::Select};
    /// let mut g = Graph::new();
    /// let x = g.input("x", [2, 3])?;
    /// let y = g.select(x, 1)?;
    /// assert_eq!(g.shape(y).to_string(), "[3]");
    /// assert!(g.select(x, 2).is_err());
    ///
    /// let mut y = [0.0; 2];
    /// Select { index: 1 }.twin(&[Arg::Real(&[2, 2].into(), &[1.0, 2.0, 3.0, 4.0])], &mut y, &Context::default());
    /// assert_eq!(y, [3.0, 4.0]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn select(&mut self, x: NodeId, index: usize) -> Result<NodeId, GraphError> {
        self.apply(Select { index }, &[x])
    }
}

/// Rows that do and do not start aligned, a scalar row, rows of nothing.
pub fn cases() -> Vec<Case> {
    let any = Fill::Uniform(-1.0, 1.0);
    let pick = |shape: &[usize], index| Case::new(format!("{index} of {shape:?}"), Select { index }).real(shape, any);
    let place = |shape: &[usize], index, rows| {
        Case::new(format!("{shape:?} as {index} of {rows}"), SelectGradient { index, rows }).real(shape, any)
    };
    vec![
        pick(&[2, 65], 1),
        pick(&[2, 65], 0),
        pick(&[3, 7, 11], 2),
        pick(&[5], 3),
        pick(&[2, 0], 1),
        place(&[65], 1, 2),
        place(&[7, 11], 0, 2),
        place(&[], 2, 3),
        place(&[0], 0, 2),
    ]
}

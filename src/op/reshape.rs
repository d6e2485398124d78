//! The same elements under another shape.

use super::{Case, Fill, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Launches, Plan};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// The same numbers in the same (row-major) order under another shape.
///
/// ```text
/// x : any shape of as many elements as `shape`   y : shape
/// y = x;   ∂L/∂x = ∂L/∂y, shaped as x
/// ```
///
/// A view: on neither device is anything run or copied. There is no `-1` as in PyTorch; [`Graph::flatten`] covers its common use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reshape {
    /// The output's shape.
    pub shape: Shape,
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x] = operand::exactly("reshape", inputs)?;
        let found = operand::real("reshape", "x", x)?;
        if self.shape.elements() != found.elements() {
            let expected = format!("of the {} elements of {}", self.shape.elements(), self.shape);
            return Err(operand::misshapen("reshape", "x", expected, found));
        }
        Ok(Meta::real(self.shape.clone()))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        y.copy_from_slice(inputs[0].real());
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (x, upstream) = (tape.input(0), tape.upstream());
        let graph = tape.graph();
        let shape = graph.shape(x).clone();
        Ok(vec![Some(graph.reshape(upstream, shape)?)])
    }

    fn launches(&self, _: &Plan) -> Result<Launches, GraphError> {
        Ok(Launches::default())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        error.copy_from_slice(inputs[0].error);
    }

    fn is_view(&self) -> bool {
        true
    }
}

/// Builders.
impl Graph {
    /// `x` under another shape of as many elements. See [`Reshape`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if the counts differ, [`GraphError::Dtype`] if `x` holds indices.
    pub fn reshape(&mut self, x: NodeId, shape: impl Into<Shape>) -> Result<NodeId, GraphError> {
        self.apply(Reshape { shape: shape.into() }, &[x])
    }

    /// `[N, …]` as `[N, product of the rest]`, PyTorch's `Flatten`. See [`Reshape`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if `x` is a scalar, [`GraphError::Dtype`] if it holds indices.
    pub fn flatten(&mut self, x: NodeId) -> Result<NodeId, GraphError> {
        let shape = self.shape(x);
        let Some((&rows, rest)) = shape.split_first() else {
            return Err(operand::misshapen("flatten", "x", "[N, …]".into(), shape));
        };
        let width = rest.iter().product();
        self.reshape(x, [rows, width])
    }
}

/// What the suite checks.
pub fn cases() -> Vec<Case> {
    let case = |from: &[usize], to: &[usize]| {
        let op = Reshape { shape: to.into() };
        Case::new(format!("{from:?} to {to:?}"), op).real(from, Fill::Uniform(-1.0, 1.0))
    };
    vec![case(&[1], &[]), case(&[3, 5, 7], &[3, 35]), case(&[1009], &[1009, 1]), case(&[0, 4], &[2, 0])]
}

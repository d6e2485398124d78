//! One number copied along an axis: the derivative of a sum.

use super::{Axes, Reduce, Reduction};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, wgsl};
use crate::op::rounding::{EPSILON, TINY};
use crate::op::{Case, Fill, operand};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// Copies along an axis, or one number everywhere.
///
/// ```text
/// y : shape, […, n, …]
/// x : the same without the axis, or with length 1 there; one element if there is no axis
/// y = factor · x    along the axis
/// ∂L/∂x = factor · Σ ∂L/∂y over the axis
/// ```
///
/// **On the GPU** `shaders/op/broadcast.wgsl`, one invocation an element. Bound: two roundings, the factor's and the product's.
#[derive(Clone, Debug, PartialEq)]
pub struct Broadcast {
    /// The output's shape.
    pub shape: Shape,
    /// Along which axis; `None` for all.
    pub axis: Option<usize>,
    /// What each copy is multiplied by.
    pub factor: f64,
}

impl Broadcast {
    fn source(&self, i: usize, axes: Axes) -> usize {
        i / (axes.len * axes.inner) * axes.inner + i % axes.inner
    }
}

impl Op for Broadcast {
    fn name(&self) -> &'static str {
        "broadcast"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x] = operand::exactly("broadcast", inputs)?;
        let found = operand::real("broadcast", "x", x)?;
        let mut kept = self.shape.axes().to_vec();
        let mut gone = Vec::new();
        if let Some(axis) = self.axis {
            operand::axis("broadcast", &self.shape, axis, false)?;
            kept[axis] = 1;
            gone.clone_from(&kept);
            gone.remove(axis);
        } else {
            kept.fill(1);
        }
        if found.axes() != kept && found.axes() != gone {
            let expected = format!("{} or {}", Shape::from(gone), Shape::from(kept));
            return Err(operand::misshapen("broadcast", "x", expected, found));
        }
        Ok(Meta::real(self.shape.clone()))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let (x, axes) = (inputs[0].real(), Axes::of(&self.shape, self.axis));
        for (i, y) in y.iter_mut().enumerate() {
            *y = T::of(self.factor) * x[self.source(i, axes)];
        }
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (x, upstream) = (tape.input(0), tape.upstream());
        let graph = tape.graph();
        let keepdim = graph.shape(x).rank() == self.shape.rank();
        let op = Reduce { reduction: Reduction::Scaled(self.factor), axis: self.axis, keepdim };
        Ok(vec![Some(graph.apply(op, &[upstream])?)])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let axes = Axes::of(&self.shape, self.axis);
        let (rows, row) = (axes.outer, axes.len * axes.inner);
        let launch = |(x_first, first, count): (usize, usize, usize), x_len: usize| Launch {
            kernel: Kernel::new("broadcast", wgsl!("op/broadcast", "lib/grid"), "broadcast"),
            params: vec![
                ("count", count.into()),
                ("row", row.max(1).into()),
                ("inner", axes.inner.max(1).into()),
                ("factor", (self.factor as f32).into()),
                ("x_stride", plan.inputs[0].stride.into()),
                ("y_stride", plan.output.stride.into()),
            ],
            bindings: vec![
                Binding::Read(Window { operand: Operand::Input(0), offset: x_first, len: x_len }),
                Binding::Write(Window { operand: Operand::Output, offset: first, len: count }),
            ],
            groups: plan.linear(count, 64),
            flops: 0,
        };
        let list: Vec<Launch> = if rows == 1 && axes.inner == 1 {
            // One number everywhere: any cut will do.
            let runs = plan.runs("broadcast", row, &[1])?;
            runs.into_iter().map(|(first, count)| launch((0, first, count), 1)).collect()
        } else {
            let runs = plan.runs("broadcast", rows, &[row, axes.inner])?;
            let place = |(first, count)| {
                launch((first * axes.inner, first * row, count * row), count * axes.inner)
            };
            runs.into_iter().map(place).collect()
        };
        Ok(list.into())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], y: &[f64], error: &mut [f64]) {
        let axes = Axes::of(&self.shape, self.axis);
        for (i, e) in error.iter_mut().enumerate() {
            let arrived = self.factor.abs() * inputs[0].error[self.source(i, axes)];
            *e = arrived + 2.0 * EPSILON * (1.0 + EPSILON) * (y[i].abs() + arrived) + TINY;
        }
    }
}

impl Graph {
    /// Copies `x` to `shape` along `axis`, which it lacks or has with length 1. See [`Broadcast`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if `x` is not `shape` without the axis, [`GraphError::Dtype`] if it holds indices.
    pub fn broadcast(&mut self, x: NodeId, shape: impl Into<Shape>, axis: usize) -> Result<NodeId, GraphError> {
        self.apply(Broadcast { shape: shape.into(), axis: Some(axis), factor: 1.0 }, &[x])
    }
}

pub(super) fn cases() -> Vec<Case> {
    let any = Fill::Uniform(-1.0, 1.0);
    let case = |label: &str, shape: &[usize], axis, factor, x: &[usize]| {
        Case::new(format!("broadcast {label}"), Broadcast { shape: shape.into(), axis, factor }).real(x, any)
    };
    vec![
        case("rows", &[63, 65], Some(0), 1.0, &[65]),
        case("columns", &[63, 65], Some(1), -0.5, &[63]),
        case("kept axis", &[3, 5, 7], Some(1), 3.0, &[3, 1, 7]),
        case("middle axis", &[3, 5, 7], Some(1), 0.1, &[3, 7]),
        case("one number", &[1009], None, 0.25, &[]),
        case("one kept number", &[2, 3], None, 1.0, &[1, 1]),
        case("nothing", &[0, 3], Some(0), 1.0, &[3]),
        case("bench", &[4096, 1000], Some(0), 1.0, &[1000]).edge().benched(),
    ]
}

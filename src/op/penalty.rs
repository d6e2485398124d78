//! Penalties on weights, added to the data loss.

mod gradient;

pub use gradient::L2Gradient;

use super::rounding::{TINY, gamma};
use super::{Case, Fill, RAGGED, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{ALIGN, Binding, Kernel, Launch, Launches, Operand, Plan, Tiling, Window, padded, wgsl};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// Half the squared length of a tensor, weighted.
///
/// ```text
/// w : any shape   λ : []   y : []
/// y = ½ λ Σ w²
/// ∂L/∂w = λ w ∂L/∂y;   λ has no derivative
/// ```
///
/// λ is a setting: raised or set to 0 without rebuilding. The ½ is CS231n's, so that the gradient is λ w; PyTorch's `weight_decay` adds the same λ w.
///
/// **On the GPU** `shaders/op/l2.wgsl`, two launches with fixed trees. Bound: γₙ₊₃ · y, all terms being positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L2;

impl Op for L2 {
    fn name(&self) -> &'static str {
        "l2"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [w, lambda] = operand::exactly("l2", inputs)?;
        operand::real("l2", "w", w)?;
        operand::shaped("l2", "λ", lambda, &Shape::scalar())?;
        Ok(Meta::real(Shape::scalar()))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        y[0] = T::of(0.5) * inputs[1].real()[0] * inputs[0].real().iter().map(|&w| w * w).sum::<T>();
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        if tape.needs(1) {
            return Err(GraphError::NotDifferentiable { op: "l2", input: 1 });
        }
        let (w, lambda, upstream) = (tape.input(0), tape.input(1), tape.upstream());
        Ok(vec![Some(tape.graph().apply(L2Gradient, &[w, lambda, upstream])?), None])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let len = plan.inputs[0].elements();
        let by_workgroup = plan.tiling == Tiling::Workgroup;
        let text = if by_workgroup {
            wgsl!("op/l2", "lib/row_workgroup")
        } else {
            wgsl!("op/l2", "lib/row_invocation")
        };
        // A run has a multiple of 64 chunks, so that its partial sums start aligned.
        let chunk = (plan.max_elements / ALIGN).clamp(1, 4096);
        let run = plan.max_elements / (chunk * ALIGN) * (chunk * ALIGN);
        let total = len.div_ceil(chunk);
        let launch = |entry, rows: usize, len: usize, source: (Window, usize), target: (Window, usize)| Launch {
            kernel: Kernel::new("l2", text, entry),
            params: vec![
                ("rows", rows.into()),
                ("len", len.into()),
                ("chunk", chunk.into()),
                ("x_stride", source.1.into()),
                ("lambda_stride", plan.inputs[1].stride.into()),
                ("y_stride", target.1.into()),
            ],
            bindings: vec![Binding::Read(source.0), Binding::read(Operand::Input(1), 1), Binding::Write(target.0)],
            groups: if by_workgroup { plan.groups(rows) } else { plan.linear(rows, 64) },
            flops: 2 * len as u64,
        };
        let mut list: Vec<Launch> = Vec::new();
        for offset in (0..len).step_by(run) {
            let count = run.min(len - offset);
            let rows = count.div_ceil(chunk);
            let source = Window { operand: Operand::Input(0), offset, len: count };
            let target = Window { operand: Operand::Scratch(0), offset: offset / chunk, len: rows };
            list.push(launch("squares", rows, count, (source, plan.inputs[0].stride), (target, padded(total))));
        }
        let partial = (Operand::Scratch(0), total).into();
        let target = (Operand::Output, 1).into();
        list.push(launch("finish", 1, total, (partial, padded(total)), (target, plan.output.stride)));
        Ok(Launches { scratch: vec![total], list })
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let (w, slack) = (inputs[0].value.real(), inputs[0].error);
        let (lambda, lambda_slack) = (inputs[1].value.real()[0].abs(), inputs[1].error[0]);
        let squares: f64 = w.iter().map(|w| w * w).sum();
        let widest: f64 = w.iter().zip(slack).map(|(w, e)| (w.abs() + e).powi(2)).sum();
        let moved: f64 = w.iter().zip(slack).map(|(w, e)| 2.0 * w.abs() * e + e * e).sum();
        // n squares, n − 1 additions, two products.
        let sum = moved + gamma(w.len() + 1) * widest + 2.0 * w.len() as f64 * TINY;
        let size = squares + sum;
        error[0] = 0.5 * ((lambda + lambda_slack) * (sum + gamma(2) * size) + lambda_slack * size) + 2.0 * TINY;
    }
}

/// Builder.
impl Graph {
    /// `½ λ Σ w²`, λ a scalar node such as a [`setting`](Graph::setting). See [`L2`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if λ is not a scalar, [`GraphError::Dtype`] if an operand holds indices.
    pub fn l2(&mut self, w: NodeId, lambda: NodeId) -> Result<NodeId, GraphError> {
        self.apply(L2, &[w, lambda])
    }
}

/// What the suite checks.
pub fn cases() -> Vec<Case> {
    let case = |shape: &[usize], lambda: f64| {
        Case::new(format!("{shape:?}, λ = {lambda}"), L2)
            .real(shape, Fill::Uniform(-1.0, 1.0))
            .fixed([0usize; 0], Fill::Constant(lambda))
    };
    let mut cases: Vec<Case> = RAGGED.iter().map(|&n| case(&[n], 0.01)).collect();
    cases.extend([case(&[128, 64], 1.0), case(&[10, 1009], 0.5), case(&[3, 5, 7], 0.0)]);
    cases.push(case(&[1 << 20], 1e-4).edge().benched());
    cases.extend(gradient::cases());
    cases
}

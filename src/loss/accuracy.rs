//! The fraction of rows that are right: a metric, without a derivative.

use super::rows;
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Launches, Plan, wgsl};
use crate::op::Case;
use crate::op::operand;
use crate::op::rounding::gamma;
use crate::scalar::Scalar;
use crate::shape::Shape;

/// The fraction of rows whose largest score is the class's.
///
/// ```text
/// s : [N, C] scores   t : [N] classes   y : [], in [0, 1]
/// y = |{n : argmax s_n = t_n}| / N      argmax takes the first of equals
/// ```
///
/// It has no derivative. **On the GPU** `shaders/loss/accuracy.wgsl`, which finds the same winners; the fraction is rounded twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accuracy;

fn winner<T: PartialOrd>(s: &[T]) -> usize {
    (1..s.len()).fold(0, |best, k| if s[k] > s[best] { k } else { best })
}

impl Op for Accuracy {
    fn name(&self) -> &'static str {
        "accuracy"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [s, t] = operand::exactly("accuracy", inputs)?;
        rows::operands("accuracy", s, t, true)?;
        Ok(Meta::real(Shape::scalar()))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let (count, width) = (inputs[0].shape()[0], inputs[0].shape()[1]);
        let rows = inputs[0].real().chunks(width).enumerate();
        let right = rows.filter(|(n, s)| winner(s) == rows::target(&inputs[1], *n, width).class()).count();
        y[0] = T::of(right as f64) / T::of(count as f64);
    }

    fn gradient(&self, _: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        Err(GraphError::NotDifferentiable { op: "accuracy", input: 0 })
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let text = [wgsl!("loss/accuracy", "lib/row_workgroup"), wgsl!("loss/accuracy", "lib/row_invocation")];
        rows::mean_launches("accuracy", text, true, plan)
    }

    fn bound(&self, inputs: &[BoundArg<'_>], y: &[f64], error: &mut [f64]) {
        let (s, slack, width) = (inputs[0].value.real(), inputs[0].error, inputs[0].value.shape()[1]);
        // Rows whose winner the inputs' errors leave open may count or not.
        let open = s.chunks(width).zip(slack.chunks(width)).filter(|(s, slack)| {
            let best = winner(s);
            let reach = |k: usize| slack[k] + slack[best] > 0.0 && s[k] + slack[k] >= s[best] - slack[best];
            (0..width).any(|k| k != best && reach(k))
        });
        let open = open.count() as f64 / inputs[0].value.shape()[0] as f64;
        // Counts below 2²⁴ are exact, then the factor and its product are rounded.
        error[0] = open + gamma(2 + inputs[0].value.shape()[0].saturating_sub(1 << 24)) * (y[0] + open);
    }
}

impl Graph {
    /// The fraction of rows of scores `[N, C]` whose largest is at their class, `[N]`. See [`Accuracy`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if the shapes are not these, [`GraphError::Dtype`] if the operands hold the wrong things.
    pub fn accuracy(&mut self, scores: NodeId, classes: NodeId) -> Result<NodeId, GraphError> {
        self.apply(Accuracy, &[scores, classes])
    }
}

/// What the suite checks.
pub fn cases() -> Vec<Case> {
    let fixed = |mut case: Case| {
        case.inputs.iter_mut().for_each(|input| input.differentiable = false);
        case.edge()
    };
    super::class_cases(Accuracy).into_iter().map(fixed).collect()
}

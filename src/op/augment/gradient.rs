//! The derivative of [`Augment`].

use super::{Augment, Draw, largest_of_plane};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Meta, NodeId, Op, Tape};
use crate::kernel::{Launches, Plan};
use crate::op::operand;
use crate::scalar::Scalar;

/// Takes each pixel back to where it came from; what was pushed out of the image hears nothing.
///
/// ```text
/// dy, dx : [N, C, H, W]   d_n, e_n, f_n as in [`Augment`]
/// dx[n, c, i, j] = dy[n, c, i − d_n, w] where that lies in the image, else 0      w = W − 1 − (j − e_n) if f_n, else j − e_n
/// ```
///
/// **On the GPU** `shaders/op/augment.wgsl`, the other way round: no sum, each pixel of y came from one of x at most.
#[derive(Clone, Debug, PartialEq)]
pub struct AugmentGradient {
    /// What was done.
    pub augment: Augment,
}

const NAME: &str = "augment_gradient";

impl Op for AugmentGradient {
    fn name(&self) -> &'static str {
        NAME
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [dy] = operand::exactly(NAME, inputs)?;
        self.augment.images(NAME, "dy", dy)?;
        Ok(dy.clone())
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], dx: &mut [T], cx: &Context) {
        let dy = (inputs[0].shape(), inputs[0].real());
        self.augment.copy(dy, dx, cx, Draw::target, |_| T::zero());
    }

    /// The same moves again, with 0 around: the fill is no function of dy.
    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let upstream = tape.upstream();
        let again = Augment { fill: Vec::new(), ..self.augment.clone() };
        Ok(vec![Some(tape.graph().apply(again, &[upstream])?)])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        self.augment.launches(NAME, true, plan)
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        largest_of_plane(&inputs[0], error);
    }

    fn random(&self) -> bool {
        true
    }
}

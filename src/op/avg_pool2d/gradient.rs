//! The derivative of [`AvgPool2d`].

use super::{AvgPool2d, WALK};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Meta, NodeId, Op, Tape};
use crate::kernel::{Kernel, Launches, Operand, Plan, wgsl};
use crate::op::cores::share;
use crate::op::max_pool2d::{Apart, Walk};
use crate::op::operand;
use crate::op::rounding::{TINY, gamma};
use crate::op::window::images;
use crate::scalar::Scalar;
use crate::shape::Shape;

/// What each pixel hears: an even share from every window that it lies in.
///
/// ```text
/// dy : [N, C, Ho, Wo]   dx : [N, C, H, W]
/// dx[n, c, h, w] = Σ dy[n, c, i, j] / (kh·kw) over the windows that cover (h, w)
/// ```
///
/// **On the GPU** where small windows do not overlap `shaders/op/avg_pool2d_gradient_apart.wgsl`: an invocation writes all pixels of
/// a window, or of several side by side. Elsewhere `shaders/op/avg_pool2d_gradient.wgsl`: each pixel gathers from its windows, in
/// order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPool2dGradient {
    /// The pooling.
    pub pool: AvgPool2d,
    /// H and W of its images, which strides leave open.
    pub size: [usize; 2],
}

const NAME: &str = "avg_pool2d_gradient";

/// Most pixels that one invocation writes for a window. Of larger ones each pixel gathers, of one window then, so that a few large
/// windows still keep a graphics card busy.
const SCATTERED: usize = 64;

impl AvgPool2dGradient {
    fn images(&self, dy: &Shape) -> Shape {
        Shape::from([dy[0], dy[1], self.size[0], self.size[1]])
    }
}

impl Op for AvgPool2dGradient {
    fn name(&self) -> &'static str {
        NAME
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [dy] = operand::exactly(NAME, inputs)?;
        let found = operand::real(NAME, "dy", dy)?;
        let [items, channels, ..] = images(NAME, "dy", found)?;
        let x = self.images(found);
        let [ho, wo] = self.pool.window(NAME, &x)?.1;
        operand::shaped(NAME, "dy", dy, &[items, channels, ho, wo].into())?;
        Ok(Meta::real(x))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], dx: &mut [T], _: &Context) {
        let (dy, part) = (inputs[0].real(), T::of(self.pool.share()));
        let (pixels, area) = (self.size[0] * self.size[1], self.pool.area(&self.images(inputs[0].shape())));
        let cost = WALK * dx.len();
        share(dx, pixels, cost, |first, dx| {
            let dy = &dy[first * area..];
            let images = Shape::from([dx.len() / pixels.max(1), 1, self.size[0], self.size[1]]);
            dx.fill(T::zero());
            self.pool.each(&images, |place, k| dx[k] += dy[place]);
            dx.iter_mut().for_each(|dx| *dx *= part);
        });
    }

    /// Linear: the pooling itself.
    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let upstream = tape.upstream();
        Ok(vec![Some(tape.graph().apply(self.pool, &[upstream])?)])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let (window, places) = self.pool.window(NAME, &plan.output.shape)?;
        let apart = Apart::new(&window, self.size, places).filter(|apart| apart.pixels() <= SCATTERED);
        let walk = if let Some(apart) = apart {
            let source = wgsl!("op/avg_pool2d_gradient_apart", "lib/grid");
            apart.walk(Kernel::new(NAME, source, "avg_pool2d_gradient_apart"), plan)
        } else {
            let kernel = Kernel::new(NAME, wgsl!("op/avg_pool2d_gradient", "lib/grid"), NAME);
            Walk::each(kernel, &window, self.size, places, false)
        };
        let operands = [("dy_stride", Operand::Input(0), true), ("dx_stride", Operand::Output, false)];
        walk.factor(self.pool.share()).launches(plan, NAME, &operands)
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let (dy, e) = (inputs[0].value.real(), inputs[0].error);
        let x = self.images(inputs[0].value.shape());
        let terms = self.pool.window(NAME, &x).map_or(0, |(window, _)| window.overlap());
        // A sum, the factor and its rounding to f32.
        let (share, relative) = (self.pool.share(), gamma(terms + 2));
        error.fill(2.0 * TINY);
        self.pool.each(&x, |place, k| {
            error[k] += share * (e[place] + relative * (dy[place].abs() + e[place])) + TINY;
        });
    }
}

//! The derivative of [`MaxPool2d`].

use super::{Apart, MaxPool2d, Walk, planes, wins};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Meta, NodeId, Op, Tape};
use crate::kernel::{Kernel, Launches, Operand, Plan, wgsl};
use crate::op::cores::share;
use crate::op::operand;
use crate::op::pass::store;
use crate::op::rounding::{TINY, gamma};
use crate::op::unary::Function;
use crate::scalar::Scalar;

/// What each pixel hears from the windows that it wins.
///
/// ```text
/// x : [N, C, H, W]   dy : [N, C, Ho, Wo]   dx : as x
/// dx[n, c, h, w] = Σ dy[n, c, i, j] over the windows whose first largest pixel is (h, w)
/// ```
///
/// **On the GPU** where windows do not overlap `shaders/op/max_pool2d_gradient_apart.wgsl`: an invocation looks for the winner of
/// a window, or of several side by side, and writes all their pixels. Elsewhere `shaders/op/max_pool2d_gradient.wgsl`: each pixel
/// goes through the windows it lies in, in order, and looks for their winners. Exact but for that sum, and where the inputs' own
/// errors leave a winner open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool2dGradient {
    /// The pooling.
    pub pool: MaxPool2d,
}

const NAME: &str = "max_pool2d_gradient";

/// Gives what arrives at squares of 2×2, in planes of `h` × `w`, to their winners, and nothing to the others.
fn tiles<T: Scalar>([h, w]: [usize; 2], x: &[T], dy: &[T], dx: &mut [T]) {
    let wo = w / 2;
    let planes = x.chunks_exact(h * w).zip(dx.chunks_exact_mut(h * w)).zip(dy.chunks_exact(h / 2 * wo));
    for ((x, dx), dy) in planes {
        // What no square covers, where a side is odd.
        dx[h / 2 * 2 * w..].fill(T::zero());
        for ((x, dx), dy) in x.chunks_exact(2 * w).zip(dx.chunks_exact_mut(2 * w)).zip(dy.chunks_exact(wo)) {
            let ((above, below), (dx_above, dx_below)) = (x.split_at(w), dx.split_at_mut(w));
            dx_above[2 * wo..].fill(T::zero());
            dx_below[2 * wo..].fill(T::zero());
            let inputs = above.chunks_exact(2).zip(below.chunks_exact(2)).zip(dy);
            let outputs = dx_above.chunks_exact_mut(2).zip(dx_below.chunks_exact_mut(2));
            for (((a, b), &dy), (da, db)) in inputs.zip(outputs) {
                // Row by row, then the rows' winners. Numbers, not branches: nobody could predict them.
                let (right_a, right_b) = (wins(a[1], a[0]), wins(b[1], b[0]));
                let (best_a, best_b) = (if right_a { a[1] } else { a[0] }, if right_b { b[1] } else { b[0] });
                let low = wins(best_b, best_a);
                let given = |wins: bool| if wins { dy } else { T::zero() };
                (da[0], da[1]) = (given(!low & !right_a), given(!low & right_a));
                (db[0], db[1]) = (given(low & !right_b), given(low & right_b));
            }
        }
    }
}

impl MaxPool2dGradient {
    /// The launches; where x came out of a function, with its slope in their store.
    pub(in crate::op) fn launched(&self, plan: &Plan, function: Option<Function>) -> Result<Launches, GraphError> {
        let x = &plan.inputs[0].shape;
        let (window, places) = self.pool.window(NAME, x)?;
        let size = [x[2], x[3]];
        let walk = if let Some(apart) = Apart::new(&window, size, places) {
            let source = wgsl!("op/max_pool2d_gradient_apart", "lib/grid", "lib/nan");
            let mut kernel = Kernel::new(NAME, source, "max_pool2d_gradient_apart");
            store(&mut kernel, function);
            apart.walk(kernel, plan)
        } else {
            let mut kernel = Kernel::new(NAME, wgsl!("op/max_pool2d_gradient", "lib/grid", "lib/nan"), NAME);
            store(&mut kernel, function);
            Walk::each(kernel, &window, size, places, false)
        };
        let operands = [
            ("x_stride", Operand::Input(0), false),
            ("dy_stride", Operand::Input(1), true),
            ("dx_stride", Operand::Output, false),
        ];
        walk.launches(plan, NAME, &operands)
    }
}

impl Op for MaxPool2dGradient {
    fn name(&self) -> &'static str {
        NAME
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x, dy] = operand::exactly(NAME, inputs)?;
        let y = self.pool.output(std::slice::from_ref(x))?;
        operand::shaped(NAME, "dy", dy, &y.shape)?;
        Ok(x.clone())
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], dx: &mut [T], _: &Context) {
        let (x, dy, shape) = (inputs[0].real(), inputs[1].real(), inputs[0].shape());
        let (size, area) = ([shape[2], shape[3]], self.pool.area(shape));
        let pixels = size[0] * size[1];
        share(dx, pixels, self.pool.cost(2 * x.len()), |first, dx| {
            let dy = &dy[first * area..];
            if self.pool.tiles() {
                return tiles(size, &x[first * pixels..][..dx.len()], dy, dx);
            }
            let (images, x) = planes(size, first, dx.len() / pixels.max(1), x);
            dx.fill(T::zero());
            self.pool.each(&images, x, |place, _, winner| dx[winner] += dy[place]);
        });
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        Err(GraphError::NotDifferentiable { op: NAME, input: usize::from(!tape.needs(0)) })
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        self.launched(plan, None)
    }

    /// Where another pixel is within reach of a window's winner, either may win. A pixel's sum has at most as many terms as
    /// windows overlap.
    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let (x, e) = (inputs[0].value.real(), inputs[0].error);
        let (dy, e_dy) = (inputs[1].value.real(), inputs[1].error);
        let terms = self.pool.window(NAME, inputs[0].value.shape()).map_or(0, |(window, _)| window.overlap());
        error.fill(0.0);
        self.pool.each(inputs[0].value.shape(), x, |place, covered, best| {
            let reach = |k: usize| k != best && e[k] + e[best] > 0.0 && x[k] + e[k] >= x[best] - e[best];
            let contested = covered.pixels().any(reach);
            let most = dy[place].abs() + e_dy[place];
            for k in covered.pixels().filter(|&k| k == best || reach(k)) {
                let own = if contested { most } else { e_dy[place] };
                error[k] += own + gamma(terms) * most + TINY;
            }
        });
    }
}

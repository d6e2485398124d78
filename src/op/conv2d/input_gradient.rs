//! The derivative of [`Conv2d`] with respect to its images.

use super::{Conv2d, Conv2dWeightGradient, Geometry, Way, fits, variants};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Fused, Meta, NodeId, Op, Scene, Tape};
use crate::kernel::{Binding, Launch, Launches, Operand, Plan, Variants, Window, wgsl};
use crate::op::operand;
use crate::op::pass::{Loads, PLAIN, gradients, link};
use crate::op::rounding::bilinear;
use crate::op::window::images;
use crate::scalar::Scalar;
use crate::shape::Shape;

/// What each pixel hears from the places whose windows it lies in.
///
/// ```text
/// w : [O, C/groups, kh, kw]   dy : [N, O, Ho, Wo]   dx : [N, C, H, W]
/// dx[n, c, h, w] = Σ_{o, u, v} w[o, c, u, v] · dy[n, o, i, j]  over the i, j with h = i·stride + u·dilation − padding, w alike
/// ```
///
/// **On the GPU** `shaders/op/conv2d_input_gradient.wgsl`: each invocation has 4 or 8 channels × 4 pixels in registers and
/// gathers, so no atomics: the same bits each time. Tolerance: γ_{K+1} of K = O/groups·kh·kw products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dInputGradient {
    /// The convolution.
    pub conv: Conv2d,
    /// H and W of its images, which strides leave open.
    pub size: [usize; 2],
}

const NAME: &str = "conv2d_input_gradient";

impl Conv2dInputGradient {
    fn geometry(&self, w: &Shape, dy: &Shape) -> Result<Geometry, GraphError> {
        let [items, ..] = images(NAME, "dy", dy)?;
        let channels = w.get(1).copied().unwrap_or(0) * self.conv.groups;
        let geometry = Geometry::of(NAME, &self.conv, &[items, channels, self.size[0], self.size[1]].into(), w)?;
        let expected = Shape::from([items, w[0], geometry.places[0], geometry.places[1]]);
        if *dy != expected {
            return Err(operand::misshapen(NAME, "dy", expected.to_string(), dy));
        }
        Ok(geometry)
    }

    fn known(&self, w: &Shape, dy: &Shape) -> Geometry {
        let axes = |shape: &Shape| [0, 1, 2, 3].map(|axis| shape[axis]);
        let (w, [items, ..], [height, width]) = (axes(w), axes(dy), self.size);
        Geometry::known(&self.conv, [items, w[1] * self.conv.groups, height, width], w)
    }

    /// The launches, whose kernels want a part that says how a value goes on.
    fn incomplete(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let geometry = self.geometry(&plan.inputs[0].shape, &plan.inputs[1].shape)?;
        let ([dx, dy], weights) = (geometry.widths(), geometry.weights());
        fits(NAME, plan, weights)?;
        let pixels = self.size[0] * self.size[1];
        let way = Way::of(plan, geometry.inner);
        let sources = [
            wgsl!("op/conv2d_input_gradient", "op/conv2d_input_gradient_operands", "lib/grid"),
            wgsl!("op/conv2d_input_gradient_subgroup", "op/conv2d_input_gradient_operands", "lib/patch", "lib/eight", "lib/grid"),
        ];
        let launch = |(first, items): (usize, usize)| {
            let tiles = way.tiles(items, pixels);
            let mut kernel = way.kernel(NAME, sources, "CHANNELS", geometry.inner);
            if way != Way::Register {
                kernel = kernel.constant("UNIT", f64::from(u8::from(self.conv.stride == [1, 1])));
            }
            let mut params = geometry.params();
            params.extend([
                ("tiles", tiles.into()),
                ("w_stride", plan.inputs[0].stride.into()),
                ("dy_stride", plan.inputs[1].stride.into()),
                ("dx_stride", plan.output.stride.into()),
                ("first_member", 0u32.into()),
                ("stream", 0u32.into()),
                ("rate_stride", 0u32.into()),
            ]);
            Launch {
                kernel,
                params,
                bindings: vec![
                    Binding::read(Operand::Input(0), weights),
                    Binding::Read(Window { operand: Operand::Input(1), offset: first * dy, len: items * dy }),
                    Binding::Write(Window { operand: Operand::Output, offset: first * dx, len: items * dx }),
                ],
                groups: way.groups(plan, tiles, geometry.groups * geometry.inner.div_ceil(way.rows(geometry.inner))),
                flops: Geometry { items, ..geometry }.flops(),
            }
        };
        let runs = plan.runs(NAME, geometry.items, &[dx, dy])?;
        Ok(runs.into_iter().filter(|run| run.1 * dx > 0).map(launch).collect::<Vec<_>>().into())
    }
}

impl Op for Conv2dInputGradient {
    fn name(&self) -> &'static str {
        NAME
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [w, dy] = operand::exactly(NAME, inputs)?;
        let (w, dy) = (operand::real(NAME, "w", w)?, operand::real(NAME, "dy", dy)?);
        let geometry = self.geometry(w, dy)?;
        Ok(Meta::real([geometry.items, geometry.groups * geometry.inner, self.size[0], self.size[1]]))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], dx: &mut [T], _: &Context) {
        let geometry = self.known(inputs[0].shape(), inputs[1].shape());
        geometry.input_gradient(inputs[0].real(), inputs[1].real(), dx);
    }

    /// Linear in both: convolved with it, and gathered from it.
    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (w, dy, upstream) = (tape.input(0), tape.input(1), tape.upstream());
        let (need_w, need_dy) = (tape.needs(0), tape.needs(1));
        let graph = tape.graph();
        let kernel = [graph.shape(w)[2], graph.shape(w)[3]];
        let by_weight = Conv2dWeightGradient { conv: self.conv, kernel };
        let of_w = if need_w { Some(graph.apply(by_weight, &[upstream, dy])?) } else { None };
        let of_dy = if need_dy { Some(graph.apply(self.conv, &[upstream, w])?) } else { None };
        Ok(vec![of_w, of_dy])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let mut all = self.incomplete(plan)?;
        all.list.iter_mut().for_each(|launch| link(&mut launch.kernel, PLAIN));
        Ok(all)
    }

    fn variants(&self, plan: &Plan) -> Variants {
        let geometry = self.geometry(&plan.inputs[0].shape, &plan.inputs[1].shape);
        geometry.map_or_else(|_| Variants::default(), |geometry| variants(NAME, &geometry, plan))
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let [w, dy] = [inputs[0], inputs[1]];
        let geometry = self.known(w.value.shape(), dy.value.shape());
        let (values, errors) = ([w.value.real(), dy.value.real()], [w.error, dy.error]);
        let products = geometry.outer * geometry.taps();
        bilinear(products, values, errors, error, |w, dy, dx| geometry.input_gradient(w, dy, dx));
    }
}

/// Gradients of images that nothing reads but element-wise nodes of the backward pass, in one launch with them.
pub(in crate::op) fn find(scene: &Scene<'_>) -> Vec<Fused> {
    gradients::<Conv2dInputGradient>(scene, NAME, |op, plan| Ok(Some((op.incomplete(plan)?, Loads::Singles))))
}

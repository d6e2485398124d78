//! The derivative of [`Conv2d`] with respect to its filters.

use super::{Conv2d, Conv2dInputGradient, Geometry, Way, fits, variants};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Launch, Launches, Operand, Plan, Tiling, Variants, Window, padded, wgsl};
use crate::op::operand;
use crate::op::reduce::sum_parts;
use crate::op::rounding::bilinear;
use crate::op::window::images;
use crate::scalar::Scalar;
use crate::shape::Shape;

/// What each filter's tap saw at all places of all images, weighted by what arrives there.
///
/// ```text
/// x : [N, C, H, W]   dy : [N, O, Ho, Wo]   dw : [O, C/groups, kh, kw]
/// dw[o, c, u, v] = Σ_{n, i, j} dy[n, o, i, j] · x[n, c′, i·stride + u·dilation − padding, j·stride + v·dilation − padding]
/// ```
///
/// **On the GPU** `shaders/op/conv2d_weight_gradient.wgsl`: filters are few and places many, so the rows of places are cut into
/// parts, of which each invocation sums one for 4 or 8 filters × 4 taps in registers; `shaders/op/reduce.wgsl` adds up the parts.
/// No atomics: the same bits each time. Tolerance: γ_{K+1} of K = N·Ho·Wo products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dWeightGradient {
    /// The convolution.
    pub conv: Conv2d,
    /// kh and kw, which strides leave open.
    pub kernel: [usize; 2],
}

const NAME: &str = "conv2d_weight_gradient";

impl Conv2dWeightGradient {
    fn geometry(&self, x: &Shape, dy: &Shape) -> Result<Geometry, GraphError> {
        let [items, channels, ..] = images(NAME, "x", x)?;
        let [_, out, ..] = images(NAME, "dy", dy)?;
        let w = Shape::from([out, channels / self.conv.groups.max(1), self.kernel[0], self.kernel[1]]);
        let geometry = Geometry::of(NAME, &self.conv, x, &w)?;
        let expected = Shape::from([items, out, geometry.places[0], geometry.places[1]]);
        if *dy != expected {
            return Err(operand::misshapen(NAME, "dy", expected.to_string(), dy));
        }
        Ok(geometry)
    }

    fn known(&self, x: &Shape, dy: &Shape) -> Geometry {
        let axes = |shape: &Shape| [0, 1, 2, 3].map(|axis| shape[axis]);
        let (x, [_, out, ..], [kh, kw]) = (axes(x), axes(dy), self.kernel);
        Geometry::known(&self.conv, x, [out, x[1] / self.conv.groups, kh, kw])
    }
}

impl Op for Conv2dWeightGradient {
    fn name(&self) -> &'static str {
        NAME
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x, dy] = operand::exactly(NAME, inputs)?;
        let (x, dy) = (operand::real(NAME, "x", x)?, operand::real(NAME, "dy", dy)?);
        let geometry = self.geometry(x, dy)?;
        Ok(Meta::real([geometry.groups * geometry.outer, geometry.inner, self.kernel[0], self.kernel[1]]))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], dw: &mut [T], _: &Context) {
        let geometry = self.known(inputs[0].shape(), inputs[1].shape());
        geometry.weight_gradient(inputs[0].real(), inputs[1].real(), dw);
    }

    /// Linear in both: the upstream gradient is a bank of filters.
    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (x, dy, upstream) = (tape.input(0), tape.input(1), tape.upstream());
        let (need_x, need_dy) = (tape.needs(0), tape.needs(1));
        let graph = tape.graph();
        let size = [graph.shape(x)[2], graph.shape(x)[3]];
        let by_input = Conv2dInputGradient { conv: self.conv, size };
        let of_x = if need_x { Some(graph.apply(by_input, &[upstream, dy])?) } else { None };
        let of_dy = if need_dy { Some(graph.apply(self.conv, &[x, upstream])?) } else { None };
        Ok(vec![of_x, of_dy])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let geometry = self.geometry(&plan.inputs[0].shape, &plan.inputs[1].shape)?;
        let ([x, dy], weights) = (geometry.widths(), geometry.weights());
        if weights == 0 {
            return Ok(Launches::default());
        }
        let runs = plan.runs(NAME, geometry.items, &[x, dy])?;
        let way = Way::of(plan, geometry.outer);
        let sources = [
            wgsl!("op/conv2d_weight_gradient", "op/conv2d_weight_gradient_operands", "lib/grid"),
            wgsl!("op/conv2d_weight_gradient_subgroup", "op/conv2d_weight_gradient_operands", "lib/patch", "lib/eight", "lib/grid"),
        ];
        // Taps of a tile, what a row of the sum is, and tiles enough for the device: invocations, or subgroups.
        let (taps, row, enough) = match (way, plan.tiling) {
            (Way::Register, Tiling::Workgroup) => (4, geometry.places[1], 32_768),
            (Way::Register, Tiling::Register) => (4, geometry.places[1], 4096),
            (Way::Subgroup { .. }, _) => (16, 1, 64),
        };
        let tiles = geometry.groups * geometry.outer.div_ceil(way.rows(geometry.outer)) * geometry.patch().div_ceil(taps);
        // No more parts than scratch holds.
        let most = (plan.max_elements / weights / runs.len()).max(1);
        // (first image, images, first part, parts, rows a part)
        let mut cuts = Vec::new();
        let mut total = 0;
        for (first, items) in runs {
            let rows = items * geometry.area() / row.max(1);
            let chunk = rows.div_ceil((enough / tiles).clamp(1, most)).max(1);
            let parts = rows.div_ceil(chunk).max(1);
            cuts.push((first, items, total, parts, chunk));
            total += parts;
        }
        fits(NAME, plan, total * weights)?;
        let mut all = Launches::default();
        let (target, stride) = match total {
            1 => (Operand::Output, plan.output.stride),
            _ => (Operand::Scratch(0), padded(total * weights)),
        };
        for (first, items, first_part, parts, chunk) in cuts {
            let mut params = geometry.params();
            params.extend([
                ("tiles", (tiles * parts).into()),
                ("rows", (items * geometry.area() / row.max(1)).into()),
                ("chunk", chunk.into()),
                ("first_part", first_part.into()),
                ("x_stride", plan.inputs[0].stride.into()),
                ("dy_stride", plan.inputs[1].stride.into()),
                ("dw_stride", stride.into()),
            ]);
            all.list.push(Launch {
                kernel: way.kernel(NAME, sources, "FILTERS", geometry.outer),
                params,
                bindings: vec![
                    Binding::Read(Window { operand: Operand::Input(0), offset: first * x, len: items * x }),
                    Binding::Read(Window { operand: Operand::Input(1), offset: first * dy, len: items * dy }),
                    Binding::write(target, total * weights),
                ],
                groups: if way == Way::Register { plan.linear(tiles * parts, 64) } else { plan.groups(tiles * parts) },
                flops: Geometry { items, ..geometry }.flops(),
            });
        }
        if total > 1 {
            all.scratch.push(total * weights);
            sum_parts(plan, 0, total, weights, &mut all);
        }
        Ok(all)
    }

    fn variants(&self, plan: &Plan) -> Variants {
        let geometry = self.geometry(&plan.inputs[0].shape, &plan.inputs[1].shape);
        geometry.map_or_else(|_| Variants::default(), |geometry| variants(NAME, &geometry, plan))
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let [x, dy] = [inputs[0], inputs[1]];
        let geometry = self.known(x.value.shape(), dy.value.shape());
        let (values, errors) = ([x.value.real(), dy.value.real()], [x.error, dy.error]);
        let products = geometry.items * geometry.area();
        bilinear(products, values, errors, error, |x, dy, dw| geometry.weight_gradient(x, dy, dw));
    }
}

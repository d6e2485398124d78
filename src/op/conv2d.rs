//! Convolution of images.

mod geometry;
pub(super) mod input_gradient;
mod way;
mod weight_gradient;

use geometry::Geometry;
pub use input_gradient::Conv2dInputGradient;
use way::{Way, variants};
pub use weight_gradient::Conv2dWeightGradient;

use super::pass::store;
use super::rounding::{bilinear, round};
use super::unary::Function;
use super::{Case, Fill, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Launch, Launches, Operand, Plan, Variants, Window, wgsl};
use crate::scalar::Scalar;

/// A bank of filters over each image: PyTorch's `conv2d`, a cross-correlation.
///
/// # Shapes
///
/// | operand | shape | meaning |
/// |---|---|---|
/// | `x` | `[N, C, H, W]` | images |
/// | `w` | `[O, C/groups, kh, kw]` | filters |
/// | `b` | `[O]` | bias; may be left out |
/// | result | `[N, O, Ho, Wo]` | `Ho = ⌊(H + 2·padding − dilation·(kh − 1) − 1) / stride⌋ + 1` |
///
/// # Formula
///
/// ```text
/// y[n, o, i, j] = b[o] + Σ_{c, u, v} w[o, c, u, v] · x[n, c′, i·stride + u·dilation − padding, j·stride + v·dilation − padding]
/// c′ = ⌊o / (O/groups)⌋ · C/groups + c;   x is 0 outside of the image
/// ```
///
/// The gradients are ops of their own, [`Conv2dInputGradient`] and [`Conv2dWeightGradient`]; the three are each other's
/// derivatives. `db = Σ dy` over images and places.
///
/// # On the GPU
///
/// `shaders/op/conv2d.wgsl`: each invocation has 4 or 8 channels × 4 places in registers and reads the image where its
/// patches lie, so that no matrix of patches is stored; `shaders/op/conv2d_subgroup.wgsl` where subgroups have
/// 8 lanes, which share out the weights. One launch, more where a batch exceeds one binding. Tolerance: γ_{K+1} |w| ⋆ |x| for the
/// K = C/groups·kh·kw products of an element, and one rounding for the bias.
///
/// # Source
///
/// Dumoulin & Visin, *A guide to convolution arithmetic for deep learning* (2016).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// Steps between places along H and W, in `[1, 65535]`; default 1.
    pub stride: [usize; 2],
    /// Zeros on both sides along H and W, in `[0, 65535]`; default 0.
    pub padding: [usize; 2],
    /// Steps between taps along H and W, in `[1, 65535]`; default 1.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other, a divisor of C and O; default 1.
    pub groups: usize,
}

impl Default for Conv2d {
    fn default() -> Self {
        Self { stride: [1; 2], padding: [0; 2], dilation: [1; 2], groups: 1 }
    }
}

impl Conv2d {
    /// What this is for operands that the shape rule has let pass.
    fn geometry<T>(&self, inputs: &[Arg<'_, T>]) -> Geometry {
        Geometry::of("conv2d", self, inputs[0].shape(), inputs[1].shape()).unwrap_or_else(|e| unreachable!("{e}"))
    }

    /// The launches, with a function in their store.
    pub(super) fn launched(&self, plan: &Plan, function: Option<Function>) -> Result<Launches, GraphError> {
        let geometry = Geometry::of("conv2d", self, &plan.inputs[0].shape, &plan.inputs[1].shape)?;
        let ([x, y], weights) = (geometry.widths(), geometry.weights());
        fits("conv2d", plan, weights)?;
        // Without a bias its binding holds the weights, which nothing then reads.
        let bias = plan.inputs.get(2).map(|place| (Operand::Input(2), place.stride, place.elements()));
        let (bias, bias_stride, bias_len) = bias.unwrap_or((Operand::Input(1), 0, weights));
        let way = Way::of(plan, geometry.outer);
        let sources = [
            wgsl!("op/conv2d", "op/conv2d_operands", "lib/grid"),
            wgsl!("op/conv2d_subgroup", "op/conv2d_operands", "lib/patch", "lib/eight", "lib/grid"),
        ];
        let launch = |(first, items): (usize, usize)| {
            let tiles = way.tiles(items, geometry.area());
            let mut params = geometry.params();
            params.extend([
                ("tiles", tiles.into()),
                ("x_stride", plan.inputs[0].stride.into()),
                ("w_stride", plan.inputs[1].stride.into()),
                ("bias_stride", bias_stride.into()),
                ("y_stride", plan.output.stride.into()),
            ]);
            let mut kernel = way.kernel("conv2d", sources, "FILTERS", geometry.outer);
            kernel = kernel.constant("BIAS", f64::from(u8::from(plan.inputs.len() == 3)));
            store(&mut kernel, function);
            Launch {
                kernel,
                params,
                bindings: vec![
                    Binding::Read(Window { operand: Operand::Input(0), offset: first * x, len: items * x }),
                    Binding::read(Operand::Input(1), weights),
                    Binding::read(bias, bias_len),
                    Binding::Write(Window { operand: Operand::Output, offset: first * y, len: items * y }),
                ],
                groups: way.groups(plan, tiles, geometry.groups * geometry.outer.div_ceil(way.rows(geometry.outer))),
                flops: Geometry { items, ..geometry }.flops(),
            }
        };
        let runs = plan.runs("conv2d", geometry.items, &[x, y])?;
        Ok(runs.into_iter().filter(|run| run.1 * y > 0).map(launch).collect::<Vec<_>>().into())
    }
}

impl Op for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let (x, w, bias) = match inputs {
            [x, w] => (x, w, None),
            [x, w, bias] => (x, w, Some(bias)),
            _ => return Err(GraphError::Arity { op: "conv2d", expected: 3, found: inputs.len() }),
        };
        let (x, w) = (operand::real("conv2d", "x", x)?, operand::real("conv2d", "w", w)?);
        let geometry = Geometry::of("conv2d", self, x, w)?;
        if let Some(bias) = bias {
            operand::shaped("conv2d", "b", bias, &[w[0]].into())?;
        }
        let [ho, wo] = geometry.places;
        Ok(Meta::real([x[0], w[0], ho, wo]))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        self.geometry(inputs).forward(inputs[0].real(), inputs[1].real(), inputs.get(2).map(Arg::real), y);
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (x, w, dy) = (tape.input(0), tape.input(1), tape.upstream());
        let needs: Vec<bool> = (0..tape.arity()).map(|n| tape.needs(n)).collect();
        let graph = tape.graph();
        let (size, kernel) = (graph.shape(x).clone(), graph.shape(w).clone());
        let by_input = Conv2dInputGradient { conv: *self, size: [size[2], size[3]] };
        let by_weight = Conv2dWeightGradient { conv: *self, kernel: [kernel[2], kernel[3]] };
        let dx = if needs[0] { Some(graph.apply(by_input, &[w, dy])?) } else { None };
        let dw = if needs[1] { Some(graph.apply(by_weight, &[x, dy])?) } else { None };
        let mut parts = vec![dx, dw];
        if needs.len() == 3 {
            let db = if needs[2] {
                let sum = graph.sum_to(dy, [kernel[0], 1, 1])?;
                Some(graph.reshape(sum, [kernel[0]])?)
            } else {
                None
            };
            parts.push(db);
        }
        Ok(parts)
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        self.launched(plan, None)
    }

    fn variants(&self, plan: &Plan) -> Variants {
        let geometry = Geometry::of("conv2d", self, &plan.inputs[0].shape, &plan.inputs[1].shape);
        geometry.map_or_else(|_| Variants::default(), |geometry| variants("conv2d", &geometry, plan))
    }

    fn bound(&self, inputs: &[BoundArg<'_>], y: &[f64], error: &mut [f64]) {
        let [x, w] = [inputs[0], inputs[1]];
        let geometry = self.geometry(&[x.value, w.value]);
        let (values, errors) = ([x.value.real(), w.value.real()], [x.error, w.error]);
        bilinear(geometry.patch(), values, errors, error, |x, w, y| geometry.forward(x, w, None, y));
        if let Some(bias) = inputs.get(2) {
            geometry.add_bias(Some(bias.error), 0, error);
            error.iter_mut().zip(y).for_each(|(e, y)| *e += round(y.abs() + *e));
        }
    }
}

/// Refuses weights that one binding does not hold: the batch can be cut, they cannot.
fn fits(op: &'static str, plan: &Plan, elements: usize) -> Result<(), GraphError> {
    if elements > plan.max_elements {
        return Err(GraphError::TooLarge { op, elements, limit: plan.max_elements });
    }
    Ok(())
}

impl Graph {
    /// Convolves images `[N, C, H, W]` with filters `[O, C/groups, kh, kw]`. See [`Conv2d`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if the operands do not suit each other or the window exceeds the padded image,
    /// [`GraphError::Range`] for a field outside its range, [`GraphError::Dtype`].
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::{Graph, graph::{Arg, Context, Op}, op::conv2d::Conv2d};
    /// let mut g = Graph::new();
    /// let x = g.input("x", [64, 3, 32, 32])?;
    /// let w = g.parameter("w", [16, 3, 3, 3])?;
    /// let b = g.parameter("b", [16])?;
    /// let y = g.conv2d(x, w, Some(b), Conv2d { stride: [2, 2], padding: [1, 1], ..Conv2d::default() })?;
    /// assert_eq!(g.shape(y).to_string(), "[64, 16, 16, 16]");
    ///
    /// // An edge from dark to light, found by a difference.
    /// let (x, w) = ([1, 1, 1, 4].into(), [1, 1, 1, 2].into());
    /// let inputs = [Arg::Real(&x, &[0., 0., 5., 5.]), Arg::Real(&w, &[-1., 1.])];
    /// let mut y = [0.0; 3];
    /// Conv2d::default().twin(&inputs, &mut y, &Context::default());
    /// assert_eq!(y, [0.0, 5.0, 0.0]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn conv2d(
        &mut self,
        x: NodeId,
        w: NodeId,
        b: Option<NodeId>,
        conv: Conv2d,
    ) -> Result<NodeId, GraphError> {
        let inputs: Vec<NodeId> = [x, w].into_iter().chain(b).collect();
        self.apply(conv, &inputs)
    }
}

/// `(x, out, kernel, convolution)`: odd sizes, strides 1 to 3, padding beyond the kernel, dilation, groups of one channel and
/// more, channels around a tile of 4, no image at all, so many places that a weight's sum is cut.
fn grid() -> Vec<([usize; 4], usize, [usize; 2], Conv2d)> {
    let conv = |stride, padding, dilation, groups| Conv2d { stride, padding, dilation, groups };
    vec![
        ([1, 1, 1, 1], 1, [1, 1], conv([1, 1], [0, 0], [1, 1], 1)),
        ([2, 3, 7, 5], 5, [3, 3], conv([1, 1], [1, 1], [1, 1], 1)),
        ([3, 4, 9, 8], 6, [3, 2], conv([2, 1], [1, 0], [1, 1], 2)),
        ([1, 6, 11, 7], 6, [3, 3], conv([3, 3], [2, 2], [1, 1], 6)),
        ([2, 2, 13, 10], 7, [3, 3], conv([1, 2], [2, 3], [2, 3], 1)),
        ([2, 5, 6, 6], 9, [5, 5], conv([2, 2], [2, 2], [1, 1], 1)),
        ([1, 2, 3, 3], 3, [1, 2], conv([2, 3], [4, 5], [1, 1], 1)),
        ([3, 3, 5, 4], 4, [5, 4], conv([1, 1], [0, 0], [1, 1], 1)),
        ([1, 4, 8, 8], 12, [3, 3], conv([3, 3], [0, 0], [1, 1], 4)),
        ([0, 2, 4, 4], 3, [3, 3], conv([1, 1], [1, 1], [1, 1], 1)),
        ([2, 0, 4, 4], 3, [3, 3], conv([1, 1], [1, 1], [1, 1], 1)),
        ([37, 1, 15, 4], 3, [2, 2], conv([1, 1], [1, 0], [1, 1], 1)),
    ]
}

/// The grid with and without bias, both gradients on it as ops of their own, and a layer of the size that is trained.
pub fn cases() -> Vec<Case> {
    let any = Fill::Uniform(-1.0, 1.0);
    let mut cases = Vec::new();
    for (i, (x, out, [kh, kw], conv)) in grid().into_iter().enumerate() {
        let Conv2d { stride, padding, dilation, groups } = conv;
        let w = [out, x[1] / groups, kh, kw];
        let label = format!("{x:?} by {w:?} s{stride:?} p{padding:?} d{dilation:?} g{groups}");
        let case = Case::new(&label, conv).real(x, any).real(w, any);
        cases.push(if i % 3 == 2 { case } else { case.real([out], any) });
        let metas = [Meta::real(x), Meta::real(w)];
        let Ok(y) = conv.output(&metas) else { unreachable!("the grid's cases suit the shape rule") };
        let by_input = Case::new(&label, Conv2dInputGradient { conv, size: [x[2], x[3]] });
        cases.push(by_input.real(w, any).real(y.shape.clone(), any));
        let by_weight = Case::new(label, Conv2dWeightGradient { conv, kernel: [kh, kw] });
        cases.push(by_weight.real(x, any).real(y.shape, any));
    }
    let conv = Conv2d { padding: [1; 2], ..Conv2d::default() };
    let label = "[16, 32, 14, 14] by [64, 32, 3, 3]";
    let big = Case::new(label, conv).real([16, 32, 14, 14], any).real([64, 32, 3, 3], any).real([64], any);
    let by_input = Case::new(label, Conv2dInputGradient { conv, size: [14; 2] });
    let by_input = by_input.fixed([64, 32, 3, 3], any).fixed([16, 64, 14, 14], any);
    let by_weight = Case::new(label, Conv2dWeightGradient { conv, kernel: [3; 2] });
    let by_weight = by_weight.fixed([16, 32, 14, 14], any).fixed([16, 64, 14, 14], any);
    cases.extend([big, by_input, by_weight].map(|case| case.edge().benched()));
    cases
}

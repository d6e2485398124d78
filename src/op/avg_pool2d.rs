//! The mean of each window of an image.

mod gradient;

pub use gradient::AvgPool2dGradient;

use super::cores::share;
use super::max_pool2d::{GRID, Walk, planes, pooled};
use super::rounding::{TINY, gamma};
use super::window::{Window2d, images};
use super::{Case, Fill, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Kernel, Launches, Operand, Plan, wgsl};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// `y[n, c, i, j] = Σ x[n, c, ·, ·] / (kh·kw)` over a window: PyTorch's `avg_pool2d` with its default
/// `count_include_pad = True`.
///
/// # Shapes
///
/// `x: [N, C, H, W]`, result `[N, C, Ho, Wo]` with `Ho = ⌊(H + 2·padding − kernel) / stride⌋ + 1`, `Wo` alike.
///
/// # Formula
///
/// The padding is 0 and counts: the sum is divided by kh·kw everywhere. The derivative, [`AvgPool2dGradient`], spreads evenly.
///
/// # On the GPU
///
/// `shaders/op/avg_pool2d.wgsl`, one invocation a window. Tolerance: γ_{K+2} Σ|x|/K for K = kh·kw.
///
/// # Source
///
/// LeCun et al., *Gradient-based learning applied to document recognition* (1998), §II.B; `torch.nn.functional.avg_pool2d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPool2d {
    /// The window along H and W, at least 1.
    pub kernel: [usize; 2],
    /// Steps between windows along H and W, at least 1; PyTorch's default is the kernel.
    pub stride: [usize; 2],
    /// Zeros on both sides along H and W, at most half the kernel.
    pub padding: [usize; 2],
}

/// What a pixel of a window costs the twins, in elements read or written.
const WALK: usize = 4;

impl AvgPool2d {
    fn window(&self, op: &'static str, x: &Shape) -> Result<(Window2d, [usize; 2]), GraphError> {
        pooled(op, [self.kernel, self.stride, self.padding], x)
    }

    fn share(&self) -> f64 {
        1.0 / (self.kernel[0] * self.kernel[1]) as f64
    }

    /// Goes through the windows and, for each, the pixels it covers, in order.
    fn each(&self, shape: &Shape, mut visit: impl FnMut(usize, usize)) {
        let Ok((window, places)) = self.window("avg_pool2d", shape) else {
            unreachable!("the shape rule has let it pass")
        };
        window.each(shape, places, |place, plane, rows, columns| {
            for row in rows {
                let line = plane + row * shape[3];
                (line + columns.start..line + columns.end).for_each(|k| visit(place, k));
            }
        });
    }

    /// Places in a plane of images of `shape`.
    fn area(&self, shape: &Shape) -> usize {
        self.window("avg_pool2d", shape).map_or(0, |(_, places)| places[0] * places[1])
    }
}

impl Op for AvgPool2d {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x] = operand::exactly("avg_pool2d", inputs)?;
        let shape = operand::real("avg_pool2d", "x", x)?;
        let [items, channels, ..] = images("avg_pool2d", "x", shape)?;
        let [ho, wo] = self.window("avg_pool2d", shape)?.1;
        Ok(Meta::real([items, channels, ho, wo]))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let (x, shape, part) = (inputs[0].real(), inputs[0].shape(), T::of(self.share()));
        let (size, area) = ([shape[2], shape[3]], self.area(shape));
        share(y, area, WALK * x.len(), |first, y| {
            let (images, x) = planes(size, first, y.len() / area.max(1), x);
            y.fill(T::zero());
            self.each(&images, |place, k| y[place] += x[k]);
            y.iter_mut().for_each(|y| *y *= part);
        });
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (x, dy) = (tape.input(0), tape.upstream());
        let graph = tape.graph();
        let size = [graph.shape(x)[2], graph.shape(x)[3]];
        Ok(vec![Some(graph.apply(AvgPool2dGradient { pool: *self, size }, &[dy])?)])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let x = &plan.inputs[0].shape;
        let (window, places) = self.window("avg_pool2d", x)?;
        let kernel = Kernel::new("avg_pool2d", wgsl!("op/avg_pool2d", "lib/grid"), "avg_pool2d");
        let operands = [("x_stride", Operand::Input(0), false), ("y_stride", Operand::Output, true)];
        let walk = Walk::each(kernel, &window, [x[2], x[3]], places, true).factor(self.share());
        walk.launches(plan, "avg_pool2d", &operands)
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let (x, e) = (inputs[0].value.real(), inputs[0].error);
        // A sum, the factor and its rounding to f32.
        let (share, relative) = (self.share(), gamma(self.kernel[0] * self.kernel[1] + 2));
        error.fill(2.0 * TINY);
        self.each(inputs[0].value.shape(), |place, k| {
            error[place] += share * (e[k] + relative * (x[k].abs() + e[k])) + TINY;
        });
    }
}

impl Graph {
    /// The mean of each window of images `[N, C, H, W]`. See [`AvgPool2d`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if `x` is no batch of images or the window exceeds the padded image, [`GraphError::Range`] for a
    /// field outside its range.
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::{Graph, graph::{Arg, Context, Op}, op::avg_pool2d::AvgPool2d};
    /// let pool = AvgPool2d { kernel: [2, 2], stride: [2, 2], padding: [0, 0] };
    /// let mut g = Graph::new();
    /// let x = g.input("x", [64, 16, 9, 8])?;
    /// let y = g.avg_pool2d(x, pool)?;
    /// assert_eq!(g.shape(y).to_string(), "[64, 16, 4, 4]");
    ///
    /// let mut y = [0.0; 2];
    /// let x = [1., 5., 2., -1., 3., 3., 0., 7.];
    /// pool.twin(&[Arg::Real(&[1, 1, 2, 4].into(), &x)], &mut y, &Context::default());
    /// assert_eq!(y, [3.0, 2.0]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn avg_pool2d(&mut self, x: NodeId, pool: AvgPool2d) -> Result<NodeId, GraphError> {
        self.apply(pool, &[x])
    }

    /// The mean of each channel of images: `[N, C, H, W]` to `[N, C, 1, 1]`, PyTorch's `AdaptiveAvgPool2d(1)`.
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if `x` is no batch of images of at least one pixel.
    pub fn global_avg_pool2d(&mut self, x: NodeId) -> Result<NodeId, GraphError> {
        let [items, channels, h, w] = images("global_avg_pool2d", "x", self.shape(x))?;
        let lines = self.reshape(x, [items, channels, h * w])?;
        let mean = self.mean(lines, 2, false)?;
        self.reshape(mean, [items, channels, 1, 1])
    }
}

/// The grid of the maximum, forward and backward, and a layer of a network's size.
pub fn cases() -> Vec<Case> {
    let any = Fill::Uniform(-1.0, 1.0);
    let mut cases = Vec::new();
    for (x, [kernel, stride, padding]) in GRID {
        let pool = AvgPool2d { kernel, stride, padding };
        let label = format!("{x:?} by {kernel:?} s{stride:?} p{padding:?}");
        cases.push(Case::new(&label, pool).real(x, any));
        let Ok(y) = pool.output(&[Meta::real(x)]) else { unreachable!("the grid's cases suit the shape rule") };
        cases.push(Case::new(label, AvgPool2dGradient { pool, size: [x[2], x[3]] }).real(y.shape, any));
    }
    let pool = AvgPool2d { kernel: [2, 2], stride: [2, 2], padding: [0, 0] };
    let label = "[64, 32, 28, 28] by [2, 2]";
    cases.push(Case::new(label, pool).real([64, 32, 28, 28], any).edge().benched());
    let gradient = Case::new(label, AvgPool2dGradient { pool, size: [28; 2] }).real([64, 32, 14, 14], any);
    cases.push(gradient.edge().benched());
    cases
}

//! The largest of each window of an image.

mod gradient;
mod walk;

use std::ops::Range;

pub use gradient::MaxPool2dGradient;
pub(crate) use walk::{Apart, Walk};

use super::cores::share;
use super::rounding::TINY;
use super::window::{Window2d, images};
use super::{Case, Fill, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Kernel, Launches, Operand, Plan, wgsl};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// `y[n, c, i, j] = max x[n, c, ·, ·]` over a window: PyTorch's `max_pool2d`.
///
/// # Shapes
///
/// `x: [N, C, H, W]`, result `[N, C, Ho, Wo]` with `Ho = ⌊(H + 2·padding − kernel) / stride⌋ + 1`, `Wo` alike.
///
/// # Formula
///
/// The padding is −∞: it never wins. The gradient goes to the winner; of equals the first, row by row, wins. Where windows
/// overlap, a pixel that wins several hears all of them.
///
/// # On the GPU
///
/// `shaders/op/max_pool2d.wgsl`, one invocation a window. A maximum is exact: its error is the largest of the window's. The
/// derivative looks for the winners again, without atomics: the same bits each time.
///
/// # Source
///
/// Ranzato et al., *Unsupervised learning of invariant feature hierarchies* (2007); `torch.nn.functional.max_pool2d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool2d {
    /// The window along H and W, at least 1.
    pub kernel: [usize; 2],
    /// Steps between windows along H and W, at least 1; PyTorch's default is the kernel.
    pub stride: [usize; 2],
    /// Columns of −∞ on both sides along H and W, at most half the kernel.
    pub padding: [usize; 2],
}

/// The window of a pooling and its places, or why there are none.
pub(crate) fn pooled(
    op: &'static str,
    [kernel, stride, padding]: [[usize; 2]; 3],
    x: &Shape,
) -> Result<(Window2d, [usize; 2]), GraphError> {
    let window = Window2d { kernel, stride, padding, dilation: [1; 2] };
    let places = window.output(op, x)?;
    // More, and a window could lie in the padding alone.
    if (0..2).any(|d| padding[d] > kernel[d] / 2) {
        let found = format!("{padding:?} with a kernel of {kernel:?}");
        return Err(GraphError::Range { op, field: "padding", range: "at most half the kernel", found });
    }
    Ok((window, places))
}

impl MaxPool2d {
    fn window(&self, op: &'static str, x: &Shape) -> Result<(Window2d, [usize; 2]), GraphError> {
        pooled(op, [self.kernel, self.stride, self.padding], x)
    }

    /// Goes through the windows with the pixels that each covers, in order, and its winner: the first of the largest. NaN
    /// wins, so that it shows.
    fn each<T: Scalar>(&self, shape: &Shape, x: &[T], mut visit: impl FnMut(usize, Covered, usize)) {
        let Ok((window, places)) = self.window("max_pool2d", shape) else {
            unreachable!("the shape rule has let it pass")
        };
        window.each(shape, places, |place, plane, rows, columns| {
            let covered = Covered { plane, width: shape[3], rows, columns };
            let mut winner = plane + covered.rows.start * covered.width + covered.columns.start;
            for row in covered.rows.clone() {
                let line = plane + row * covered.width;
                for k in line + covered.columns.start..line + covered.columns.end {
                    winner = if wins(x[k], x[winner]) { k } else { winner };
                }
            }
            visit(place, covered, winner);
        });
    }

    /// Places in a plane of images of `shape`.
    fn area(&self, shape: &Shape) -> usize {
        self.window("max_pool2d", shape).map_or(0, |(_, places)| places[0] * places[1])
    }

    /// What the search through images of so many pixels costs, in elements read.
    fn cost(&self, pixels: usize) -> usize {
        pixels.saturating_mul(if self.tiles() { 1 } else { 8 })
    }

    /// Whether windows are the squares of 2×2 that tile the image: what most networks pool by.
    fn tiles(&self) -> bool {
        *self == Self { kernel: [2; 2], stride: [2; 2], padding: [0; 2] }
    }
}

/// Whether a candidate replaces the best so far.
fn wins<T: Scalar>(candidate: T, best: T) -> bool {
    (candidate > best) | candidate.is_nan()
}

fn larger<T: Scalar>(best: T, candidate: T) -> T {
    if wins(candidate, best) { candidate } else { best }
}

/// The planes of images of `size` from the `first` on, as images of one channel, and their pixels.
pub(crate) fn planes<T>(size: [usize; 2], first: usize, count: usize, x: &[T]) -> (Shape, &[T]) {
    let width = size[0] * size[1];
    (Shape::from([count, 1, size[0], size[1]]), &x[first * width..(first + count) * width])
}

/// The maxima of squares of 2×2 in planes of `h` × `w`.
fn tiles<T: Scalar>([h, w]: [usize; 2], x: &[T], y: &mut [T]) {
    let wo = w / 2;
    for (x, y) in x.chunks_exact(h * w).zip(y.chunks_exact_mut(h / 2 * wo)) {
        for (x, y) in x.chunks_exact(2 * w).zip(y.chunks_exact_mut(wo)) {
            let (above, below) = x.split_at(w);
            for ((y, a), b) in y.iter_mut().zip(above.chunks_exact(2)).zip(below.chunks_exact(2)) {
                *y = larger(larger(larger(a[0], a[1]), b[0]), b[1]);
            }
        }
    }
}

/// The pixels that one window covers.
struct Covered {
    plane: usize,
    width: usize,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Covered {
    fn pixels(&self) -> impl Iterator<Item = usize> {
        let line = move |row: usize| self.columns.clone().map(move |column| self.plane + row * self.width + column);
        self.rows.clone().flat_map(line)
    }
}

impl Op for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x] = operand::exactly("max_pool2d", inputs)?;
        let shape = operand::real("max_pool2d", "x", x)?;
        let [items, channels, ..] = images("max_pool2d", "x", shape)?;
        let [ho, wo] = self.window("max_pool2d", shape)?.1;
        Ok(Meta::real([items, channels, ho, wo]))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let (x, shape) = (inputs[0].real(), inputs[0].shape());
        let (size, area) = ([shape[2], shape[3]], self.area(shape));
        share(y, area, self.cost(x.len()), |first, y| {
            let (count, pixels) = (y.len() / area.max(1), size[0] * size[1]);
            if self.tiles() {
                return tiles(size, &x[first * pixels..][..count * pixels], y);
            }
            let (images, x) = planes(size, first, count, x);
            self.each(&images, x, |place, _, winner| y[place] = x[winner]);
        });
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (x, dy) = (tape.input(0), tape.upstream());
        Ok(vec![Some(tape.graph().apply(MaxPool2dGradient { pool: *self }, &[x, dy])?)])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let x = &plan.inputs[0].shape;
        let (window, places) = self.window("max_pool2d", x)?;
        let kernel = Kernel::new("max_pool2d", wgsl!("op/max_pool2d", "lib/grid", "lib/nan"), "max_pool2d");
        let operands = [("x_stride", Operand::Input(0), false), ("y_stride", Operand::Output, true)];
        Walk::each(kernel, &window, [x[2], x[3]], places, true).launches(plan, "max_pool2d", &operands)
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        let x = inputs[0];
        self.each(x.value.shape(), x.value.real(), |place, covered, _| {
            error[place] = covered.pixels().fold(TINY, |most, k| x.error[k].max(most));
        });
    }

    fn winners(&self, inputs: &[Arg<'_, f64>], out: &mut Vec<u32>) {
        self.each(inputs[0].shape(), inputs[0].real(), |_, _, winner| out.push(winner as u32));
    }
}

impl Graph {
    /// The largest of each window of images `[N, C, H, W]`. See [`MaxPool2d`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if `x` is no batch of images or the window exceeds the padded image, [`GraphError::Range`] for a
    /// field outside its range.
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::{Graph, graph::{Arg, Context, Op}, op::max_pool2d::MaxPool2d};
    /// let pool = MaxPool2d { kernel: [2, 2], stride: [2, 2], padding: [0, 0] };
    /// let mut g = Graph::new();
    /// let x = g.input("x", [64, 16, 9, 8])?;
    /// let y = g.max_pool2d(x, pool)?;
    /// assert_eq!(g.shape(y).to_string(), "[64, 16, 4, 4]");
    ///
    /// let mut y = [0.0; 2];
    /// let x = [1., 5., 2., -1., 3., 4., 0., 7.];
    /// pool.twin(&[Arg::Real(&[1, 1, 2, 4].into(), &x)], &mut y, &Context::default());
    /// assert_eq!(y, [5.0, 7.0]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn max_pool2d(&mut self, x: NodeId, pool: MaxPool2d) -> Result<NodeId, GraphError> {
        self.apply(pool, &[x])
    }
}

/// `(x, [kernel, stride, padding])`: odd sizes, overlap, gaps, padding, a window of the whole image, no image at all; then windows
/// apart: several runs of cells to a line, the last one short; cells of padding or of pixels alone at the edges; a single window
/// along an axis, whose stride would let others overlap.
pub(crate) const GRID: [([usize; 4], [[usize; 2]; 3]); 16] = [
    ([1, 1, 1, 1], [[1, 1], [1, 1], [0, 0]]),
    ([2, 3, 8, 6], [[2, 2], [2, 2], [0, 0]]),
    ([2, 3, 9, 7], [[2, 2], [2, 2], [0, 0]]),
    ([1, 5, 7, 9], [[3, 3], [2, 2], [1, 1]]),
    ([3, 2, 5, 11], [[3, 2], [1, 3], [1, 0]]),
    ([1, 3, 10, 10], [[2, 2], [3, 3], [1, 1]]),
    ([2, 2, 6, 5], [[6, 5], [1, 1], [0, 0]]),
    ([2, 1, 5, 6], [[5, 4], [1, 2], [2, 2]]),
    ([0, 3, 4, 4], [[2, 2], [2, 2], [0, 0]]),
    ([1, 2, 5, 37], [[2, 2], [2, 2], [0, 0]]),
    ([2, 2, 9, 11], [[3, 3], [3, 3], [1, 1]]),
    ([2, 2, 8, 19], [[2, 3], [3, 4], [0, 1]]),
    ([1, 2, 9, 10], [[1, 1], [4, 5], [0, 0]]),
    ([2, 2, 3, 8], [[3, 2], [1, 2], [0, 0]]),
    ([2, 1, 2, 2], [[4, 4], [2, 2], [1, 1]]),
    ([2, 3, 9, 12], [[9, 12], [1, 1], [0, 0]]),
];

/// The grid, forward and backward; all equal, where the first wins; the layer of a network that is trained.
pub fn cases() -> Vec<Case> {
    let any = Fill::Uniform(-1.0, 1.0);
    let mut cases = Vec::new();
    for (x, [kernel, stride, padding]) in GRID {
        let pool = MaxPool2d { kernel, stride, padding };
        let label = format!("{x:?} by {kernel:?} s{stride:?} p{padding:?}");
        cases.push(Case::new(&label, pool).real(x, any));
        let Ok(y) = pool.output(&[Meta::real(x)]) else { unreachable!("the grid's cases suit the shape rule") };
        cases.push(Case::new(label, MaxPool2dGradient { pool }).fixed(x, any).fixed(y.shape, any));
    }
    for (kernel, stride) in [(3, 2), (3, 3)] {
        let pool = MaxPool2d { kernel: [kernel; 2], stride: [stride; 2], padding: [1, 1] };
        let label = format!("all equal by {kernel} s{stride}");
        cases.push(Case::new(label, pool).real([2, 3, 7, 7], Fill::Constant(-1.5)).edge());
    }
    let pool = MaxPool2d { kernel: [2, 2], stride: [2, 2], padding: [0, 0] };
    let (label, x) = ("[64, 32, 28, 28] by [2, 2]", [64, 32, 28, 28]);
    cases.push(Case::new(label, pool).real(x, any).edge().benched());
    let gradient = Case::new(label, MaxPool2dGradient { pool }).fixed(x, any).fixed([64, 32, 14, 14], any);
    cases.push(gradient.edge().benched());
    cases
}

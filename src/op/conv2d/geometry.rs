//! A convolution as products of matrices, for the twins: one product an image and group, over the patches of the image.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::Conv2d;
use crate::error::GraphError;
use crate::kernel::Word;
use crate::op::cores::{elements, share};
use crate::op::operand::misshapen;
use crate::op::window::{Window2d, images};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// All lengths of a convolution.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    pub items: usize,
    pub groups: usize,
    /// Channels of x and of y, of one group.
    pub inner: usize,
    pub outer: usize,
    /// H and W of x and of y.
    pub size: [usize; 2],
    pub places: [usize; 2],
    pub window: Window2d,
}

/// Operations from which on a sum over images is cut, and into how many parts: the same on any machine.
const LARGE: u64 = 1 << 24;
const PARTS: usize = 4;

/// `ndarray`'s product shares its work with threads of its own from so many elements of both operands on. Images are shared
/// already, and two layers of threads wait for each other.
const UNSHARED: usize = 1 << 15;

/// Columns of a product that are done at once.
const WIDE: usize = 512;

/// An operand where it lies in memory: a matrix of one image and group.
fn matrix<T>(values: &[T], rows: usize, columns: usize) -> ArrayView2<'_, T> {
    ArrayView2::from_shape((rows, columns), values).unwrap_or_else(|_| unreachable!("a slice of rows·columns elements"))
}

impl Geometry {
    /// The convolution of these operands, or why there is none.
    pub fn of(op: &'static str, conv: &Conv2d, x: &Shape, w: &Shape) -> Result<Self, GraphError> {
        let &Conv2d { stride, padding, dilation, groups } = conv;
        let [items, channels, h, width] = images(op, "x", x)?;
        if groups == 0 || channels % groups != 0 {
            let (field, range) = ("groups", "at least 1 and a divisor of x's channels and of w's first axis");
            let found = format!("{groups} of {channels} channels");
            return Err(GraphError::Range { op, field, range, found });
        }
        let inner = channels / groups;
        let expected = || format!("[O, {inner}, kh, kw] with kh, kw ≥ 1 and O a multiple of {groups}, to suit `x` of shape {x}");
        let &[out, per_group, kh, kw] = w.axes() else { return Err(misshapen(op, "w", expected(), w)) };
        if per_group != inner || out % groups != 0 || kh == 0 || kw == 0 {
            return Err(misshapen(op, "w", expected(), w));
        }
        let window = Window2d { kernel: [kh, kw], stride, padding, dilation };
        let places = window.output(op, x)?;
        Ok(Self { items, groups, inner, outer: out / groups, size: [h, width], places, window })
    }

    /// Products in an element of y.
    pub fn patch(&self) -> usize {
        self.inner * self.taps()
    }

    pub fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    /// Outputs of one image and channel.
    pub fn area(&self) -> usize {
        self.places[0] * self.places[1]
    }

    /// Elements of x and y in one image.
    pub fn widths(&self) -> [usize; 2] {
        [self.groups * self.inner * self.size[0] * self.size[1], self.groups * self.outer * self.area()]
    }

    /// Elements of w.
    pub fn weights(&self) -> usize {
        self.groups * self.outer * self.patch()
    }

    pub fn flops(&self) -> u64 {
        2 * (self.items * self.area()) as u64 * self.weights() as u64
    }

    /// The uniform words that the three kernels share.
    pub fn params(&self) -> Vec<(&'static str, Word)> {
        let mut params = self.window.params(self.size, self.places);
        params.extend([
            ("dh", self.window.dilation[0].into()),
            ("dw", self.window.dilation[1].into()),
            ("groups", self.groups.into()),
            ("inner", self.inner.into()),
            ("outer", self.outer.into()),
        ]);
        params
    }

    /// Goes through the images and groups: the group, and its elements of x, w and y.
    fn each(&self, mut visit: impl FnMut(usize, Range<usize>, Range<usize>, Range<usize>)) {
        let part = |n: usize, len: usize| n * len..(n + 1) * len;
        let [x, y] = self.widths().map(|all| all / self.groups);
        for i in 0..self.items * self.groups {
            let group = i % self.groups;
            visit(group, part(i, x), part(group, self.outer * self.patch()), part(i, y));
        }
    }

    /// Whether no sum has a term.
    fn empty(&self) -> bool {
        self.items * self.outer * self.inner == 0
    }

    /// The same convolution of fewer images.
    fn of_items(&self, items: usize) -> Self {
        Self { items, ..*self }
    }

    /// `y = w ⋆ x + b`
    pub fn forward<T: Scalar>(&self, x: &[T], w: &[T], bias: Option<&[T]>, y: &mut [T]) {
        let (k, p) = (self.patch(), self.area());
        let [of_image, out] = self.widths();
        if self.empty() {
            y.fill(T::zero());
            return self.add_bias(bias, 0, y);
        }
        share(y, out, elements(self.flops()), |first, y| {
            let part = self.of_items(y.len() / out);
            let x = &x[first * of_image..][..part.items * of_image];
            let mut patches = vec![T::zero(); k * p];
            part.each(|group, of_x, of_w, of_y| {
                part.gather(&x[of_x], &mut patches);
                let y = &mut y[of_y];
                product(matrix(&w[of_w], part.outer, k), matrix(&patches, k, p), T::zero(), y);
                self.add_bias(bias, group, y);
            });
        });
    }

    /// Adds the bias to planes of y, from a group's first on.
    pub fn add_bias<T: Scalar>(&self, bias: Option<&[T]>, group: usize, y: &mut [T]) {
        let Some(bias) = bias else { return };
        let of_planes = bias.iter().cycle().skip(group * self.outer);
        for (plane, &b) in y.chunks_exact_mut(self.area().max(1)).zip(of_planes) {
            plane.iter_mut().for_each(|y| *y += b);
        }
    }

    /// The gradient of x for the gradient `y` of the output.
    pub fn input_gradient<T: Scalar>(&self, w: &[T], y: &[T], x: &mut [T]) {
        if self.empty() {
            return x.fill(T::zero());
        }
        let (k, p) = (self.patch(), self.area());
        let [of_image, out] = self.widths();
        share(x, of_image, elements(self.flops()), |first, x| {
            let part = self.of_items(x.len() / of_image);
            let y = &y[first * out..][..part.items * out];
            let mut patches = vec![T::zero(); k * p];
            x.fill(T::zero());
            part.each(|_, of_x, of_w, of_y| {
                let (w, y) = (matrix(&w[of_w], part.outer, k), matrix(&y[of_y], part.outer, p));
                product(w.reversed_axes(), y, T::zero(), &mut patches);
                part.scatter(&patches, &mut x[of_x]);
            });
        });
    }

    /// The gradient of w for the gradient `y` of the output.
    pub fn weight_gradient<T: Scalar>(&self, x: &[T], y: &[T], w: &mut [T]) {
        w.fill(T::zero());
        if self.empty() {
            return;
        }
        let (k, p) = (self.patch(), self.area());
        let [of_image, out] = self.widths();
        let sum = |first: usize, items: usize, w: &mut [T]| {
            let mut patches = vec![T::zero(); k * p];
            let (x, y) = (&x[first * of_image..], &y[first * out..]);
            self.of_items(items).each(|_, of_x, of_w, of_y| {
                self.gather(&x[of_x], &mut patches);
                let (y, patches) = (matrix(&y[of_y], self.outer, p), matrix(&patches, k, p));
                product(y, patches.reversed_axes(), T::one(), &mut w[of_w]);
            });
        };
        if self.flops() < LARGE {
            return sum(0, self.items, w);
        }
        // As many parts on any machine, added in order: the same bits.
        let run = self.items.div_ceil(PARTS);
        let len = w.len();
        let mut partial = vec![T::zero(); self.items.div_ceil(run) * len];
        share(&mut partial, len, elements(self.flops()), |part, partial| {
            for (n, w) in partial.chunks_mut(len).enumerate() {
                let first = (part + n) * run;
                sum(first, run.min(self.items - first), w);
            }
        });
        for part in partial.chunks(len) {
            w.iter_mut().zip(part).for_each(|(w, &p)| *w += p);
        }
    }

    /// The patches of an image: row (c, ky, kx), column (oy, ox); 0 in the padding.
    fn gather<T: Scalar>(&self, x: &[T], patches: &mut [T]) {
        let [ho, wo] = self.places;
        self.rows(|plane, ky, kx, row| {
            let patch = &mut patches[row * ho * wo..(row + 1) * ho * wo];
            let (down, across) = self.reach(ky, kx);
            patch[..down.start * wo].fill(T::zero());
            patch[down.end * wo..].fill(T::zero());
            for oy in down {
                let line = &mut patch[oy * wo..(oy + 1) * wo];
                line[..across.start].fill(T::zero());
                line[across.end..].fill(T::zero());
                if across.is_empty() {
                    continue;
                }
                let from = self.first(plane, oy, ky, kx, across.start);
                let line = &mut line[across.clone()];
                if self.window.stride[1] == 1 {
                    line.copy_from_slice(&x[from..from + line.len()]);
                } else {
                    line.iter_mut().zip(x[from..].iter().step_by(self.window.stride[1])).for_each(|(p, &x)| *p = x);
                }
            }
        });
    }

    /// Adds patches up where they lie in the image.
    fn scatter<T: Scalar>(&self, patches: &[T], x: &mut [T]) {
        let [ho, wo] = self.places;
        self.rows(|plane, ky, kx, row| {
            let (down, across) = self.reach(ky, kx);
            for oy in down.filter(|_| !across.is_empty()) {
                let from = self.first(plane, oy, ky, kx, across.start);
                let line = &patches[(row * ho + oy) * wo..][across.clone()];
                let to = x[from..].iter_mut().step_by(self.window.stride[1]);
                to.zip(line).for_each(|(x, &p)| *x += p);
            }
        });
    }

    /// Each row of the patches: the plane of its channel, the tap, the row's number.
    fn rows(&self, mut visit: impl FnMut(usize, usize, usize, usize)) {
        let [kh, kw] = self.window.kernel;
        for row in 0..self.patch() {
            visit(row / (kh * kw) * self.size[0] * self.size[1], row / kw % kh, row % kw, row);
        }
    }

    /// The outputs for which a tap lies inside the image.
    fn reach(&self, ky: usize, kx: usize) -> (Range<usize>, Range<usize>) {
        let along = |d: usize, k: usize| self.window.reach(d, k, self.size[d], self.places[d]);
        (along(0, ky), along(1, kx))
    }

    /// Where the tap of an output inside the reach lies.
    fn first(&self, plane: usize, oy: usize, ky: usize, kx: usize, ox: usize) -> usize {
        let at = |d: usize, place: usize, k: usize| {
            (place * self.window.stride[d] + k * self.window.dilation[d]).saturating_sub(self.window.padding[d])
        };
        plane + at(0, oy, ky) * self.size[1] + at(1, ox, kx)
    }
}

/// `c = a b + beta c`, in pieces that are done on this thread.
fn product<T: Scalar>(a: ArrayView2<'_, T>, b: ArrayView2<'_, T>, beta: T, c: &mut [T]) {
    let c = ArrayViewMut2::from_shape((a.nrows(), b.ncols()), c);
    let mut c = c.unwrap_or_else(|_| unreachable!("c has rows·columns elements"));
    let across = WIDE.min(c.ncols());
    // Pieces of the sum cost nothing but another look at c; pieces of the columns have a packed again.
    let most = ((UNSHARED - 1) / (c.nrows() + across)).max(1);
    let along = a.ncols().div_ceil(a.ncols().div_ceil(most));
    for (mut c, b) in c.axis_chunks_iter_mut(Axis(1), across).zip(b.axis_chunks_iter(Axis(1), across)) {
        for (n, (a, b)) in a.axis_chunks_iter(Axis(1), along).zip(b.axis_chunks_iter(Axis(0), along)).enumerate() {
            general_mat_mul(T::one(), &a, &b, if n == 0 { beta } else { T::one() }, &mut c);
        }
    }
}

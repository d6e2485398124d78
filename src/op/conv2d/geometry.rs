//! A convolution as products of matrices, for the twins: one product an image and group, over the patches of the image.

use std::thread::available_parallelism;

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

use super::Conv2d;
use crate::error::GraphError;
use crate::kernel::Word;
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

/// Operations that take far longer than a thread takes to start.
const WORTH_A_THREAD: u64 = 1 << 24;

/// Into how many parts a large sum over images is cut.
const PARTS: usize = 4;

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

    /// Goes through the images and groups with the elements of one in x, w and y.
    fn each(&self, mut visit: impl FnMut(std::ops::Range<usize>, std::ops::Range<usize>, std::ops::Range<usize>)) {
        let part = |n: usize, len: usize| n * len..(n + 1) * len;
        let [x, y] = self.widths().map(|all| all / self.groups);
        for i in 0..self.items * self.groups {
            visit(part(i, x), part(i % self.groups, self.outer * self.patch()), part(i, y));
        }
    }

    /// Does the images in as many runs as there are cores, where that is worth a thread's start. Images do not meet, so the bits
    /// are the same for any number.
    fn shared<T: Scalar>(
        &self,
        widths: [usize; 2],
        from: &[T],
        to: &mut [T],
        work: impl Fn(&Self, &[T], &mut [T]) + Sync,
    ) {
        let cores = if self.flops() < WORTH_A_THREAD { 1 } else { available_parallelism().map_or(1, usize::from) };
        let run = self.items.div_ceil(cores);
        let parts = from.chunks(run * widths[0]).zip(to.chunks_mut(run * widths[1]));
        let part = |items: usize| Self { items: items / widths[0], ..*self };
        if cores == 1 {
            return parts.for_each(|(from, to)| work(&part(from.len()), from, to));
        }
        std::thread::scope(|scope| {
            for (from, to) in parts {
                let work = &work;
                let part = part(from.len());
                scope.spawn(move || work(&part, from, to));
            }
        });
    }

    /// Whether no sum has a term.
    fn empty(&self) -> bool {
        self.items * self.outer * self.inner == 0
    }

    /// `y = w ⋆ x`
    pub fn forward<T: Scalar>(&self, x: &[T], w: &[T], y: &mut [T]) {
        if self.empty() {
            return y.fill(T::zero());
        }
        let (k, p) = (self.patch(), self.area());
        self.shared(self.widths(), x, y, |part, x, y| {
            let mut patches = vec![T::zero(); k * p];
            part.each(|of_x, of_w, of_y| {
                part.gather(&x[of_x], &mut patches);
                product(matrix(&w[of_w], part.outer, k), matrix(&patches, k, p), T::zero(), &mut y[of_y]);
            });
        });
    }

    /// The gradient of x for the gradient `y` of the output.
    pub fn input_gradient<T: Scalar>(&self, w: &[T], y: &[T], x: &mut [T]) {
        x.fill(T::zero());
        if self.empty() {
            return;
        }
        let (k, p) = (self.patch(), self.area());
        let [of_x, of_y] = self.widths();
        self.shared([of_y, of_x], y, x, |part, y, x| {
            let mut patches = vec![T::zero(); k * p];
            part.each(|of_x, of_w, of_y| {
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
        let [of_x, of_y] = self.widths();
        let sum = |x: &[T], y: &[T], w: &mut [T]| {
            let mut patches = vec![T::zero(); k * p];
            Self { items: x.len() / of_x, ..*self }.each(|of_x, of_w, of_y| {
                self.gather(&x[of_x], &mut patches);
                let (y, patches) = (matrix(&y[of_y], self.outer, p), matrix(&patches, k, p));
                product(y, patches.reversed_axes(), T::one(), &mut w[of_w]);
            });
        };
        if self.flops() < WORTH_A_THREAD {
            return sum(x, y, w);
        }
        // As many parts on any machine, added in order: the same bits.
        let run = self.items.div_ceil(PARTS);
        let mut partial = vec![T::zero(); self.items.div_ceil(run) * w.len()];
        std::thread::scope(|scope| {
            let images = x.chunks(run * of_x).zip(y.chunks(run * of_y));
            for ((x, y), w) in images.zip(partial.chunks_mut(w.len())) {
                let sum = &sum;
                scope.spawn(move || sum(x, y, w));
            }
        });
        for part in partial.chunks(w.len()) {
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
    fn reach(&self, ky: usize, kx: usize) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
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

/// `c = a b + beta c`
fn product<T: Scalar>(a: ArrayView2<'_, T>, b: ArrayView2<'_, T>, beta: T, c: &mut [T]) {
    let c = ArrayViewMut2::from_shape((a.nrows(), b.ncols()), c);
    general_mat_mul(T::one(), &a, &b, beta, &mut c.unwrap_or_else(|_| unreachable!("c has rows·columns elements")));
}

//! A convolution as products of matrices, for the twins: one product an image and group, over the patches of the image.

use std::ops::Range;

use ndarray::{ArrayViewMut2, Axis};

use super::Conv2d;
use crate::error::GraphError;
use crate::kernel::Word;
use crate::op::cores::{elements, share};
use crate::op::matmul::host::{matrix, matrix_mut, product};
use crate::op::operand::misshapen;
use crate::op::room;
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

/// Elements of the patches that are made at once: what a core's own cache holds beside the product's panels.
const PATCHES: usize = 1 << 16;

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

    /// The convolution of operands that [`of`](Self::of) has let pass: `[N, C, H, W]` by `[O, C/groups, kh, kw]`.
    pub fn known(conv: &Conv2d, [items, channels, h, width]: [usize; 4], [out, inner, kh, kw]: [usize; 4]) -> Self {
        let &Conv2d { stride, padding, dilation, groups } = conv;
        debug_assert_eq!(inner * groups, channels);
        let window = Window2d { kernel: [kh, kw], stride, padding, dilation };
        let (size, outer) = ([h, width], out / groups);
        Self { items, groups, inner, outer, size, places: window.places(size), window }
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
            part.each(|group, of_x, of_w, of_y| {
                let (w, y) = (matrix(&w[of_w], [part.outer, k], [k, 1]), &mut y[of_y]);
                part.pieces(|lines, columns, patches| {
                    part.gather(&x[of_x.clone()], lines, patches);
                    let patches = matrix(patches, [k, columns.len()], [columns.len(), 1]);
                    let y = matrix_mut(y, [part.outer, p]);
                    product(w, patches, T::zero(), columns_of(y, columns));
                });
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
            x.fill(T::zero());
            part.each(|_, of_x, of_w, of_y| {
                let (w, y) = (matrix(&w[of_w], [k, part.outer], [1, k]), &y[of_y]);
                part.pieces(|lines, columns, patches| {
                    let y = matrix(&y[columns.start..], [part.outer, columns.len()], [p, 1]);
                    product(w, y, T::zero(), matrix_mut(patches, [k, columns.len()]));
                    part.scatter(patches, lines, &mut x[of_x.clone()]);
                });
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
            let (x, y) = (&x[first * of_image..], &y[first * out..]);
            self.of_items(items).each(|_, of_x, of_w, of_y| {
                self.pieces(|lines, columns, patches| {
                    self.gather(&x[of_x.clone()], lines, patches);
                    let y = matrix(&y[of_y.start + columns.start..], [self.outer, columns.len()], [p, 1]);
                    let patches = matrix(patches, [columns.len(), k], [1, columns.len()]);
                    product(y, patches, T::one(), matrix_mut(&mut w[of_w.clone()], [self.outer, k]));
                });
            });
        };
        if self.flops() < LARGE {
            return sum(0, self.items, w);
        }
        // As many parts on any machine, added in order: the same bits.
        let run = self.items.div_ceil(PARTS);
        let len = w.len();
        room::with(self.items.div_ceil(run) * len, |partial| {
            partial.fill(T::zero());
            share(partial, len, elements(self.flops()), |part, partial| {
                for (n, w) in partial.chunks_mut(len).enumerate() {
                    let first = (part + n) * run;
                    sum(first, run.min(self.items - first), w);
                }
            });
            for part in partial.chunks(len) {
                w.iter_mut().zip(part).for_each(|(w, &p)| *w += p);
            }
        });
    }

    /// Goes through the places of an image in pieces of whole lines, whose patches fit the cache: the lines, their columns in a
    /// matrix of all places, and room for their patches.
    fn pieces<T: Scalar>(&self, mut work: impl FnMut(Range<usize>, Range<usize>, &mut [T])) {
        let ([ho, wo], k) = (self.places, self.patch());
        let most = (PATCHES / (k * wo).max(1)).clamp(1, ho.max(1));
        room::with(k * most * wo, |patches| {
            for first in (0..ho).step_by(most) {
                let lines = first..ho.min(first + most);
                let columns = lines.start * wo..lines.end * wo;
                let len = k * columns.len();
                work(lines, columns, &mut patches[..len]);
            }
        });
    }

    /// The patches of some lines of places of an image: row (c, ky, kx), column (oy, ox); 0 in the padding.
    fn gather<T: Scalar>(&self, x: &[T], lines: Range<usize>, patches: &mut [T]) {
        let wo = self.places[1];
        let len = lines.len() * wo;
        self.rows(|plane, ky, kx, row| {
            let patch = &mut patches[row * len..(row + 1) * len];
            let (down, across) = self.reach(ky, kx, &lines);
            let at = |oy: usize| (oy - lines.start) * wo;
            patch[..at(down.start)].fill(T::zero());
            patch[at(down.end)..].fill(T::zero());
            for oy in down {
                let line = &mut patch[at(oy)..at(oy) + wo];
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

    /// Adds the patches of some lines of places up where they lie in the image.
    fn scatter<T: Scalar>(&self, patches: &[T], lines: Range<usize>, x: &mut [T]) {
        let wo = self.places[1];
        self.rows(|plane, ky, kx, row| {
            let (down, across) = self.reach(ky, kx, &lines);
            for oy in down.filter(|_| !across.is_empty()) {
                let from = self.first(plane, oy, ky, kx, across.start);
                let line = &patches[(row * lines.len() + oy - lines.start) * wo..][across.clone()];
                if self.window.stride[1] == 1 {
                    x[from..from + line.len()].iter_mut().zip(line).for_each(|(x, &p)| *x += p);
                } else {
                    let to = x[from..].iter_mut().step_by(self.window.stride[1]);
                    to.zip(line).for_each(|(x, &p)| *x += p);
                }
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

    /// The outputs in some lines for which a tap lies inside the image.
    fn reach(&self, ky: usize, kx: usize, lines: &Range<usize>) -> (Range<usize>, Range<usize>) {
        let along = |d: usize, k: usize| self.window.reach(d, k, self.size[d], self.places[d]);
        let down = along(0, ky);
        let start = down.start.clamp(lines.start, lines.end);
        (start..down.end.clamp(start, lines.end), along(1, kx))
    }

    /// Where the tap of an output inside the reach lies.
    fn first(&self, plane: usize, oy: usize, ky: usize, kx: usize, ox: usize) -> usize {
        let at = |d: usize, place: usize, k: usize| {
            (place * self.window.stride[d] + k * self.window.dilation[d]).saturating_sub(self.window.padding[d])
        };
        plane + at(0, oy, ky) * self.size[1] + at(1, ox, kx)
    }
}

/// Some columns of a matrix.
fn columns_of<T>(mut y: ArrayViewMut2<'_, T>, columns: Range<usize>) -> ArrayViewMut2<'_, T> {
    y.slice_axis_inplace(Axis(1), columns.into());
    y
}

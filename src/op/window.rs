//! Windows that slide over images: what convolutions and poolings share.

use std::ops::Range;

use super::operand;
use crate::error::GraphError;
use crate::kernel::Word;
use crate::shape::Shape;

/// A window and its way over an image, `[along H, along W]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window2d {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
}

/// The largest stride, padding and dilation, so that places fit 32 bits.
const MOST: usize = 65_535;

/// Refuses a pair with an element outside `[least, 65535]`.
fn within(op: &'static str, field: &'static str, pair: [usize; 2], least: usize) -> Result<(), GraphError> {
    if pair.iter().all(|n| (least..=MOST).contains(n)) {
        return Ok(());
    }
    let range = if least == 0 { "in [0, 65535]" } else { "in [1, 65535]" };
    Err(GraphError::Range { op, field, range, found: format!("{pair:?}") })
}

/// The axes of a batch of images, `[N, C, H, W]`.
pub fn images(op: &'static str, operand: &'static str, shape: &Shape) -> Result<[usize; 4], GraphError> {
    let form = || operand::misshapen(op, operand, "[N, C, H, W]".into(), shape);
    <[usize; 4]>::try_from(shape.axes()).map_err(|_| form())
}

impl Window2d {
    /// Where the window starts along each axis, or why it cannot: `⌊(n + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1`.
    pub fn output(&self, op: &'static str, x: &Shape) -> Result<[usize; 2], GraphError> {
        within(op, "kernel", self.kernel, 1)?;
        within(op, "stride", self.stride, 1)?;
        within(op, "padding", self.padding, 0)?;
        within(op, "dilation", self.dilation, 1)?;
        let [_, _, h, w] = images(op, "x", x)?;
        let extent = |d: usize| self.extent(d);
        let fits = |d: usize, n: usize| n > 0 && n + 2 * self.padding[d] >= extent(d);
        if !(fits(0, h) && fits(1, w)) {
            let [least_h, least_w] = [0, 1].map(|d| extent(d).saturating_sub(2 * self.padding[d]).max(1));
            let expected = format!("[N, C, H, W] with H ≥ {least_h} and W ≥ {least_w}");
            return Err(operand::misshapen(op, "x", expected, x));
        }
        Ok(self.places([h, w]))
    }

    /// Elements from the first to the last tap along an axis.
    fn extent(&self, d: usize) -> usize {
        self.dilation[d] * (self.kernel[d] - 1) + 1
    }

    /// Where the window starts in images of this size, which [`output`](Self::output) has let pass.
    pub fn places(&self, size: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|d| (size[d] + 2 * self.padding[d] - self.extent(d)) / self.stride[d] + 1)
    }

    /// The outputs along `axis`, of `places`, whose tap `k` lies inside an image of `n` there. The first one's tap lies at
    /// `first·stride + k·dilation − padding`.
    pub fn reach(&self, axis: usize, k: usize, n: usize, places: usize) -> Range<usize> {
        let (stride, padding, offset) = (self.stride[axis], self.padding[axis], k * self.dilation[axis]);
        let low = padding.saturating_sub(offset).div_ceil(stride).min(places);
        let high = (n + padding).saturating_sub(offset).div_ceil(stride).min(places);
        low..high.max(low)
    }

    /// Goes through the windows without dilation of images of `shape`: each one's number, where its plane begins, and the rows
    /// and columns it covers there.
    pub fn each(
        &self,
        shape: &Shape,
        places: [usize; 2],
        mut visit: impl FnMut(usize, usize, Range<usize>, Range<usize>),
    ) {
        let (h, w) = (shape[2], shape[3]);
        let mut place = 0;
        for plane in 0..shape[0] * shape[1] {
            for i in 0..places[0] {
                let rows = self.covered(0, i, h);
                for j in 0..places[1] {
                    visit(place, plane * h * w, rows.clone(), self.covered(1, j, w));
                    place += 1;
                }
            }
        }
    }

    /// The part of the image, of `n` along `axis`, that output `place`'s window covers; for windows without dilation.
    fn covered(&self, axis: usize, place: usize, n: usize) -> Range<usize> {
        let start = place * self.stride[axis];
        let low = start.saturating_sub(self.padding[axis]).min(n);
        low..(start + self.kernel[axis]).saturating_sub(self.padding[axis]).clamp(low, n)
    }

    /// Most outputs that one element of the image goes into.
    pub fn overlap(&self) -> usize {
        (0..2).map(|d| self.kernel[d].div_ceil(self.stride[d])).product()
    }

    /// The uniform words of a kernel over images of `size` with `places` outputs.
    pub fn params(&self, size: [usize; 2], places: [usize; 2]) -> Vec<(&'static str, Word)> {
        vec![
            ("h", size[0].into()),
            ("w", size[1].into()),
            ("ho", places[0].into()),
            ("wo", places[1].into()),
            ("kh", self.kernel[0].into()),
            ("kw", self.kernel[1].into()),
            ("sh", self.stride[0].into()),
            ("sw", self.stride[1].into()),
            ("ph", self.padding[0].into()),
            ("pw", self.padding[1].into()),
        ]
    }
}

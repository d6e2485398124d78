//! Random shifts and mirror images while training.

mod gradient;

pub use gradient::AugmentGradient;

use super::{Case, Fill, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, wgsl};
use crate::rng::Stream;
use crate::scalar::Scalar;
use crate::shape::Shape;

/// Shifts each image of a minibatch by a random number of pixels and turns some of them left to right: another view of the
/// same thing at each step. All channels of an image move alike.
///
/// ```text
/// x, y : [N, C, H, W]   p = padding   q = flip
/// d_n, e_n uniform in {−p, …, p}, f_n = 1 with probability q      words 4n, 4n + 1, 4n + 2 of Threefry(seed, step, stream)
/// w′ = W − 1 − w if f_n, else w
/// y[n, c, h, w] = x[n, c, h + d_n, w′ + e_n] where that lies in the image, else fill_c
/// ∂L/∂x[n, c, i, j] = ∂L/∂y at the pixel that took (i, j), 0 if none did
/// ```
///
/// A whole number below n comes from a word as ⌊word · n / 2³²⌋, which is off uniform by less than n / 2³² of each probability; q is
/// rounded to a multiple of 2⁻²⁴ and `fill` is held in f32. So both devices show the same bits, and the backward pass draws
/// them again.
///
/// **On the GPU** `shaders/op/augment.wgsl`: one pass, 8 bytes a pixel. Bound: 0, it copies.
///
/// **Source** He et al., *Deep residual learning* (2015), section 4.2: 4 pixels and mirror images, on CIFAR-10. The same as
/// `torchvision.transforms.RandomCrop(size of the image, padding = p)` and `RandomHorizontalFlip(q)` after it, with other draws.
#[derive(Clone, Debug, PartialEq)]
pub struct Augment {
    /// The largest shift p, below H and W and at most 32767, so that something of every image stays; 0 for none.
    pub padding: usize,
    /// The probability q of a mirror image, in `[0, 1]`.
    pub flip: f64,
    /// What comes in from outside: a value for each of at most 4 channels, one for all, or none for 0.
    pub fill: Vec<f32>,
    /// Which stream of the member's generator, from [`Graph::stream`].
    pub stream: u32,
}

/// ⌊word · n / 2³²⌋.
fn below(word: u32, n: u32) -> u32 {
    ((u64::from(word) * u64::from(n)) >> 32) as u32
}

/// What one example's three words say.
#[derive(Clone, Copy)]
struct Draw {
    down: isize,
    right: isize,
    flip: bool,
}

impl Draw {
    /// The pixel of x that (h, w) of y shows, if it lies in the image.
    fn source(self, [height, width]: [usize; 2], h: usize, w: usize) -> Option<[usize; 2]> {
        let w = if self.flip { width - 1 - w } else { w };
        let (i, j) = (h.checked_add_signed(self.down)?, w.checked_add_signed(self.right)?);
        (i < height && j < width).then_some([i, j])
    }

    /// The pixel of y that shows (i, j) of x, if any does.
    fn target(self, [height, width]: [usize; 2], i: usize, j: usize) -> Option<[usize; 2]> {
        let (h, w) = (i.checked_add_signed(-self.down)?, j.checked_add_signed(-self.right)?);
        (h < height && w < width).then(|| [h, if self.flip { width - 1 - w } else { w }])
    }
}

impl Augment {
    fn draw(&self, stream: Stream, example: usize) -> Draw {
        let word = |k: u32| stream.word((example as u32).wrapping_mul(4).wrapping_add(k));
        let shift = |word: u32| below(word, 2 * self.padding as u32 + 1) as isize - self.padding as isize;
        Draw { down: shift(word(0)), right: shift(word(1)), flip: word(2) >> 8 < self.odds() }
    }

    /// The probability of a mirror image in units of 2⁻²⁴.
    fn odds(&self) -> u32 {
        (self.flip * 16_777_216.0).round() as u32
    }

    fn fill(&self, channel: usize) -> f32 {
        match *self.fill {
            [] => 0.0,
            [one] => one,
            ref each => each[channel],
        }
    }

    /// The shape rule of both directions.
    fn images(&self, op: &'static str, operand: &'static str, meta: &Meta) -> Result<(), GraphError> {
        let shape = operand::real(op, operand, meta)?;
        let &[_, channels, height, width] = shape.axes() else {
            return Err(operand::misshapen(op, operand, "[N, C, H, W]".into(), shape));
        };
        let range = |field, range, found| Err(GraphError::Range { op, field, range, found });
        // 2p + 1 must fit 16 bits: the kernel multiplies a word by it in halves.
        if self.padding > 0 && (self.padding >= height.min(width) || self.padding > 32_767) {
            let found = format!("{} for images of {height} × {width}", self.padding);
            return range("padding", "below the image's height and width, and at most 32767", found);
        }
        if !(0.0..=1.0).contains(&self.flip) {
            return range("flip", "in [0, 1]", self.flip.to_string());
        }
        if self.fill.len() > 1 && (self.fill.len() != channels || channels > 4) {
            let found = format!("{} values for {channels} channels", self.fill.len());
            return range("fill", "no value, one, or one for each of at most 4 channels", found);
        }
        match self.fill.iter().find(|fill| !fill.is_finite()) {
            Some(fill) => range("fill", "finite in f32", fill.to_string()),
            None => Ok(()),
        }
    }

    /// Fills each pixel of `to` with what stands in `from` at the place that `pick` names, or with `outside` of its channel.
    fn copy<T: Scalar>(
        &self,
        (shape, from): (&Shape, &[T]),
        to: &mut [T],
        cx: &Context,
        pick: fn(Draw, [usize; 2], usize, usize) -> Option<[usize; 2]>,
        outside: impl Fn(usize) -> T,
    ) {
        let (channels, height, width) = (shape[1], shape[2], shape[3]);
        let stream = Stream::new(cx.seed, cx.step, self.stream);
        // Empty images have no planes to cut.
        let area = (height * width).max(1);
        for (plane, (from, to)) in from.chunks(area).zip(to.chunks_mut(area)).enumerate() {
            let (draw, outside) = (self.draw(stream, plane / channels), outside(plane % channels));
            for (i, to) in to.iter_mut().enumerate() {
                let place = pick(draw, [height, width], i / width, i % width);
                *to = place.map_or(outside, |[h, w]| from[h * width + w]);
            }
        }
    }

    fn launches(&self, op: &'static str, inverse: bool, plan: &Plan) -> Result<Launches, GraphError> {
        let shape = &plan.output.shape;
        let (channels, height, width) = (shape[1], shape[2], shape[3]);
        let (planes, area) = (shape[0] * channels, height * width);
        let fill = |channel| if inverse { 0.0 } else { self.fill(channel % self.fill.len().max(1)) };
        let launch = |(first, count): (usize, usize)| Launch {
            kernel: Kernel::new(op, wgsl!("op/augment", "lib/grid", "lib/threefry", "lib/control"), "augment"),
            params: vec![
                ("len", (count * area).into()),
                ("first", first.into()),
                ("channels", channels.into()),
                ("height", height.into()),
                ("width", width.into()),
                ("padding", self.padding.into()),
                ("flip", self.odds().into()),
                ("inverse", inverse.into()),
                ("fill_0", fill(0).into()),
                ("fill_1", fill(1).into()),
                ("fill_2", fill(2).into()),
                ("fill_3", fill(3).into()),
                ("first_member", 0u32.into()),
                ("stream", self.stream.into()),
                ("x_stride", plan.inputs[0].stride.into()),
                ("y_stride", plan.output.stride.into()),
            ],
            bindings: vec![
                Binding::Read(Window { operand: Operand::Input(0), offset: first * area, len: count * area }),
                Binding::Control,
                Binding::Write(Window { operand: Operand::Output, offset: first * area, len: count * area }),
            ],
            groups: plan.linear((count * area).div_ceil(4), 64),
            flops: 0,
        };
        let runs = plan.runs(op, planes, &[area])?;
        Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
    }
}

/// Which pixel came is not known here: the largest error of its image's channel.
fn largest_of_plane(input: &BoundArg<'_>, error: &mut [f64]) {
    let shape = input.value.shape();
    let area = (shape[2] * shape[3]).max(1);
    for (error, arrived) in error.chunks_mut(area).zip(input.error.chunks(area)) {
        error.fill(arrived.iter().fold(0.0, |most, &e| if e <= most { most } else { e }));
    }
}

impl Op for Augment {
    fn name(&self) -> &'static str {
        "augment"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x] = operand::exactly("augment", inputs)?;
        self.images("augment", "x", x)?;
        Ok(x.clone())
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], cx: &Context) {
        let x = (inputs[0].shape(), inputs[0].real());
        self.copy(x, y, cx, Draw::source, |channel| T::of(f64::from(self.fill(channel))));
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let upstream = tape.upstream();
        Ok(vec![Some(tape.graph().apply(AugmentGradient { augment: self.clone() }, &[upstream])?)])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        self.launches("augment", false, plan)
    }

    fn bound(&self, inputs: &[BoundArg<'_>], _: &[f64], error: &mut [f64]) {
        largest_of_plane(&inputs[0], error);
    }

    fn random(&self) -> bool {
        true
    }
}

/// Builder.
impl Graph {
    /// Shifts each image of `x`, `[N, C, H, W]`, by up to `padding` pixels each way and mirrors it with probability `flip`; pixels
    /// from outside are `fill`: a value for each of at most 4 channels, one for all, or none for 0. See [`Augment`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if `x` holds no images, [`GraphError::Range`] for a padding that leaves nothing of an image, a
    /// probability that is none, values that are not as many as the channels or not finite in f32.
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::Graph;
    /// use thalweg::device::{Feeds, cpu};
    /// use thalweg::graph::Context;
    /// let mut g = Graph::new();
    /// let x = g.input("x", [1, 1, 2, 3])?;
    /// let always = g.augment(x, 0, 1.0, &[])?;
    /// let shifted = g.augment(x, 1, 0.0, &[-9.0])?;
    /// let feeds = Feeds::from([(x, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0].into())]);
    /// let found = cpu::evaluate(&g, &feeds, &[always, shifted], &Context { step: 0, seed: 4 })?;
    /// assert_eq!(found[0], [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
    /// // This step's draw: each pixel shows the one below it and to the left.
    /// assert_eq!(found[1], [-9.0, 4.0, 5.0, -9.0, -9.0, -9.0]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn augment(&mut self, x: NodeId, padding: usize, flip: f64, fill: &[f64]) -> Result<NodeId, GraphError> {
        let stream = self.stream();
        let fill = fill.iter().map(|&fill| fill as f32).collect();
        self.apply(Augment { padding, flip, fill, stream }, &[x])
    }
}

/// What the suite checks.
pub fn cases() -> Vec<Case> {
    let any = Fill::Uniform(-1.0, 1.0);
    let of = |shape: [usize; 4], padding: usize, flip: f64, fill: &[f32]| {
        let op = Augment { padding, flip, fill: fill.into(), stream: padding as u32 };
        (format!("{shape:?}, padding {padding}, flip {flip}, fill {fill:?}"), op, shape)
    };
    let list = [
        of([1, 1, 1, 1], 0, 0.5, &[]),
        of([3, 2, 5, 7], 0, 0.0, &[]),
        of([3, 2, 5, 7], 0, 1.0, &[]),
        of([65, 1, 3, 3], 2, 0.5, &[]),
        of([7, 3, 4, 6], 3, 0.5, &[-1.5, 0.25, 2.0]),
        of([5, 4, 3, 5], 1, 0.25, &[1.0, 2.0, 3.0, 4.0]),
        of([2, 5, 9, 2], 1, 0.5, &[0.75]),
        of([1009, 1, 2, 2], 1, 0.5, &[]),
        of([0, 3, 4, 4], 1, 0.5, &[]),
        of([2, 0, 4, 4], 1, 0.5, &[]),
        of([2, 3, 0, 4], 0, 0.5, &[]),
    ];
    let forward = |(label, op, shape): &(String, Augment, [usize; 4])| Case::new(label, op.clone()).real(*shape, any);
    let mut cases: Vec<Case> = list.iter().map(forward).collect();
    cases.extend(list.iter().map(|(label, op, shape)| {
        Case::new(label, AugmentGradient { augment: op.clone() }).real(*shape, any)
    }));
    let (label, op, shape) = of([64, 3, 32, 32], 4, 0.5, &[-1.0, -2.0, -3.0]);
    cases.push(Case::new(&label, op.clone()).real(shape, any).edge().benched());
    cases.push(Case::new(label, AugmentGradient { augment: op }).real(shape, any).edge().benched());
    cases
}

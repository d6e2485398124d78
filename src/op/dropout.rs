//! Dropout: zeroes at random, the rest scaled up.

use super::rounding::{DIVIDE, EPSILON, TINY};
use super::{Case, Fill, RAGGED, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, wgsl};
use crate::rng::Stream;
use crate::scalar::Scalar;

/// Sets each element to 0 with probability p and divides the others by 1 − p, so that the mean stays. `run` neighbours share
/// one fate: 1 is dropout, H·W of images drops whole channels ([`Graph::dropout2d`]).
///
/// ```text
/// x, y : any shape   p : [], in [0, 1]
/// keep_i = word_i ≥ ⌊p · 2³²⌋      word_i = Threefry(seed, step, stream; ⌊i / run⌋)
/// y_i = x_i / (1 − p) if keep_i, else 0;     y = 0 for p = 1
/// ∂L/∂x = the same mask and factor over ∂L/∂y;   p has no derivative
/// ```
///
/// p is a setting, so a run may change it and a population vary it without rebuilding; it is rounded to f32 first and clamped to `[0, 1]`, on
/// both devices. So the mask has the same bits on both. The backward pass makes it again instead of storing it.
///
/// **On the GPU** `shaders/op/dropout.wgsl`, and `shaders/op/dropout_runs.wgsl` where `run` > 1: one pass, 8 bytes an element.
/// Bound: three roundings.
///
/// **Source** Srivastava et al., *Dropout* (2014), in the inverted form of CS231n and PyTorch: nothing is scaled at prediction,
/// where the node is left out. Whole channels: Tompson et al., *Efficient object localization* (2015), PyTorch's `Dropout2d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropout {
    /// Which stream of the member's generator, from [`Graph::stream`].
    pub stream: u32,
    /// How many consecutive elements share one draw, at least 1.
    pub run: usize,
}

/// The threshold of the mask and the divisor, or nothing if all is dropped.
fn rate(p: f64) -> Option<(u32, f64)> {
    let p = f64::from((p as f32).clamp(0.0, 1.0));
    // Exact: a power of two times an f32; truncation is the floor.
    (p < 1.0).then_some(((p * 4_294_967_296.0) as u32, 1.0 - p))
}

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x, p] = operand::exactly("dropout", inputs)?;
        operand::real("dropout", "x", x)?;
        operand::shaped("dropout", "p", p, &crate::shape::Shape::scalar())?;
        // Kernels count in 32 bits, and no tensor has more elements.
        if !(1..=1 << 31).contains(&self.run) {
            let (op, field, range) = ("dropout", "run", "from 1 to 2^31");
            return Err(GraphError::Range { op, field, range, found: self.run.to_string() });
        }
        Ok(x.clone())
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], cx: &Context) {
        let Some((threshold, kept)) = rate(inputs[1].real()[0].f64()) else {
            y.fill(T::zero());
            return;
        };
        let stream = Stream::new(cx.seed, cx.step, self.stream);
        for (i, (y, &x)) in y.iter_mut().zip(inputs[0].real()).enumerate() {
            *y = if stream.word((i / self.run) as u32) >= threshold { x / T::of(kept) } else { T::zero() };
        }
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        if tape.needs(1) {
            return Err(GraphError::NotDifferentiable { op: "dropout", input: 1 });
        }
        let (p, upstream) = (tape.input(1), tape.upstream());
        Ok(vec![Some(tape.graph().apply(*self, &[upstream, p])?), None])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        const SINGLE: &str = wgsl!("op/dropout", "lib/grid", "lib/threefry", "lib/control");
        const RUNS: &str = wgsl!("op/dropout_runs", "lib/grid", "lib/threefry", "lib/control");
        let (name, source) = if self.run == 1 { ("dropout", SINGLE) } else { ("dropout_runs", RUNS) };
        let shared = (self.run > 1).then_some(("run", self.run.into()));
        let launch = |(first, len): (usize, usize)| Launch {
            kernel: Kernel::new(name, source, name),
            params: [
                ("len", len.into()),
                ("first", first.into()),
                ("first_member", 0u32.into()),
                ("stream", self.stream.into()),
                ("x_stride", plan.inputs[0].stride.into()),
                ("p_stride", plan.inputs[1].stride.into()),
                ("y_stride", plan.output.stride.into()),
            ]
            .into_iter()
            .chain(shared)
            .collect(),
            bindings: vec![
                Binding::Read(Window { operand: Operand::Input(0), offset: first, len }),
                Binding::read(Operand::Input(1), 1),
                Binding::Control,
                Binding::Write(Window { operand: Operand::Output, offset: first, len }),
            ],
            groups: plan.linear(len.div_ceil(4), 64),
            flops: 0,
        };
        let runs = plan.runs("dropout", plan.output.elements(), &[1])?;
        Ok(runs.into_iter().map(launch).collect::<Vec<_>>().into())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], y: &[f64], error: &mut [f64]) {
        let Some((_, kept)) = rate(inputs[1].value.real()[0]) else {
            error.fill(0.0);
            return;
        };
        // 1 − p, then the quotient. What is dropped is 0 exactly, but the mask is not known here: its bound is the kept one's.
        for ((e, &y), &arrived) in error.iter_mut().zip(y).zip(inputs[0].error) {
            let moved = arrived / kept;
            *e = moved + (1.0 + DIVIDE) / (1.0 - EPSILON) * (1.0 + EPSILON) * (y.abs() + moved) - (y.abs() + moved) + TINY;
        }
    }

    fn random(&self) -> bool {
        true
    }
}

/// Builder.
impl Graph {
    /// Drops each element of `x` with probability `p`, a setting named `name`. See [`Dropout`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Range`] if `p` is not in `[0, 1]`, [`GraphError::DuplicateName`] if the graph has a setting of that name.
    pub fn dropout(&mut self, x: NodeId, name: &str, p: f64) -> Result<NodeId, GraphError> {
        self.drop_runs("dropout", x, name, p, 1)
    }

    /// Drops each channel of each image of `x`, `[N, C, H, W]`, with probability `p`, a setting named `name`; the others are
    /// divided by 1 − p. See [`Dropout`].
    ///
    /// # Errors
    ///
    /// As [`dropout`](Self::dropout); [`GraphError::Shape`] if `x` is not `[N, C, H, W]`.
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::Graph;
    /// use thalweg::device::{Feeds, cpu};
    /// use thalweg::graph::Context;
    /// let mut g = Graph::new();
    /// let x = g.input("x", [1, 4, 1, 2])?;
    /// let y = g.dropout2d(x, "p", 0.5)?;
    /// let feeds = Feeds::from([(x, vec![1.0; 8].into())]);
    /// let y = cpu::evaluate(&g, &feeds, &[y], &Context::default())?.remove(0);
    /// // A channel is silent, or twice as loud.
    /// assert!(y.chunks(2).all(|channel| channel == [0.0, 0.0] || channel == [2.0, 2.0]));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn dropout2d(&mut self, x: NodeId, name: &str, p: f64) -> Result<NodeId, GraphError> {
        let shape = self.shape(x);
        let &[_, _, h, w] = shape.axes() else {
            return Err(operand::misshapen("dropout2d", "x", "[N, C, H, W]".into(), shape));
        };
        self.drop_runs("dropout2d", x, name, p, (h * w).max(1))
    }

    fn drop_runs(
        &mut self,
        op: &'static str,
        x: NodeId,
        name: &str,
        p: f64,
        run: usize,
    ) -> Result<NodeId, GraphError> {
        if !(0.0..=1.0).contains(&p) {
            return Err(GraphError::Range { op, field: "p", range: "in [0, 1]", found: crate::error::number(p) });
        }
        let p = self.setting(name, p)?;
        let stream = self.stream();
        self.apply(Dropout { stream, run }, &[x, p])
    }
}

/// What the suite checks.
pub fn cases() -> Vec<Case> {
    let of = |shape: &[usize], p: f64, run: usize| {
        let runs = if run == 1 { String::new() } else { format!(", {run} at a time") };
        Case::new(format!("{shape:?}, p = {p}{runs}"), Dropout { stream: shape.len() as u32, run })
            .real(shape, Fill::Uniform(-1.0, 1.0))
            .fixed([0usize; 0], Fill::Constant(p))
    };
    let case = |shape: &[usize], p: f64| of(shape, p, 1);
    let mut cases: Vec<Case> = RAGGED.iter().map(|&n| case(&[n], 0.3)).collect();
    cases.extend([0.0, 0.1, 0.5, 0.999, 1.0].map(|p| case(&[63, 17], p)));
    cases.push(case(&[64, 16_384], 0.5).edge().benched());
    // Runs that end within an invocation's four elements, and that span several.
    cases.extend([2, 3, 7, 64, 2000].map(|run| of(&[1009], 0.4, run)));
    cases.extend([0.0, 0.999, 1.0].map(|p| of(&[2, 8, 5, 3], p, 15)));
    cases.push(of(&[2, 3, 0, 4], 0.5, 4));
    cases.push(of(&[64, 64, 16, 16], 0.5, 256).edge().benched());
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;

    fn kept(n: usize, p: f64, cx: &Context) -> Vec<f64> {
        let (shape, scalar, mut y) = (Shape::from([n]), Shape::scalar(), vec![f64::NAN; n]);
        Op::twin(&Dropout { stream: 3, run: 1 }, &[Arg::Real(&shape, &vec![1.0; n]), Arg::Real(&scalar, &[p])], &mut y, cx);
        y
    }

    #[test]
    fn the_kept_fraction_is_one_minus_p() {
        let n = 100_000;
        for p in [0.0, 0.1, 0.25, 0.5, 0.9, 1.0] {
            let y = kept(n, p, &Context { step: 5, seed: 0x1234_5678_9abc_def0 });
            let count = y.iter().filter(|&&y| y != 0.0).count() as f64;
            // Four standard deviations of a binomial; none at p = 0 and 1.
            let slack = 4.0 * (n as f64 * p * (1.0 - p)).sqrt();
            assert!((count - n as f64 * (1.0 - p)).abs() <= slack, "p = {p}: kept {count} of {n}");
            assert!(y.iter().all(|&y| y == 0.0 || y == 1.0 / (1.0 - f64::from(p as f32))));
        }
    }

    #[test]
    fn step_and_seed_change_the_mask_and_nothing_else_does() {
        let one = kept(1000, 0.5, &Context { step: 1, seed: 1 });
        assert_eq!(one, kept(1000, 0.5, &Context { step: 1, seed: 1 }));
        assert_ne!(one, kept(1000, 0.5, &Context { step: 2, seed: 1 }));
        assert_ne!(one, kept(1000, 0.5, &Context { step: 1, seed: 1 << 32 | 1 }));
    }

    #[test]
    fn a_run_shares_the_draw_of_its_number() {
        let cx = Context { step: 2, seed: 9 };
        let each = kept(50, 0.5, &cx);
        let (shape, scalar, mut y) = (Shape::from([5, 10, 2, 3]), Shape::scalar(), vec![f64::NAN; 300]);
        let args = [Arg::Real(&shape, &[1.0; 300][..]), Arg::Real(&scalar, &[0.5])];
        Op::twin(&Dropout { stream: 3, run: 6 }, &args, &mut y, &cx);
        assert!(y.chunks(6).zip(each).all(|(channel, one)| channel == [one; 6]));
        let metas = [Meta::real([3]), Meta::real([0usize; 0])];
        let refused = Op::output(&Dropout { stream: 3, run: 0 }, &metas);
        assert!(matches!(refused, Err(GraphError::Range { field: "run", .. })));
    }

    #[test]
    fn only_images_have_channels() {
        let mut g = Graph::new();
        let x = g.input("x", [3, 4]).unwrap();
        let error = g.dropout2d(x, "p", 0.5).unwrap_err().to_string();
        assert_eq!(error, "dropout2d: `x` must have shape [N, C, H, W], found [3, 4]");
    }

    #[test]
    fn a_rate_out_of_range_is_refused() {
        let mut g = Graph::new();
        let x = g.input("x", [3]).unwrap();
        for p in [-0.1, 1.1, f64::NAN] {
            assert!(matches!(g.dropout(x, "p", p), Err(GraphError::Range { field: "p", .. })));
        }
    }
}

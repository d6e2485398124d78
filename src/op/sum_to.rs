//! Undoing a broadcast: sums over the axes that were stretched.

use super::binary::strides::{Axis, axes, common, walk};
use super::cores::share;
use super::rounding::{TINY, gamma, sum_depth, sum_slice};
use super::{Case, Fill, operand};
use crate::error::GraphError;
use crate::graph::{Arg, BoundArg, Context, Graph, Meta, NodeId, Op, Tape};
use crate::kernel::{Binding, Kernel, Launch, Launches, Operand, Plan, Window, padded, wgsl};
use crate::scalar::Scalar;
use crate::shape::Shape;

/// The sum of x over every axis that a tensor of `shape` lacks, or has with length 1: the derivative of broadcasting `shape` to
/// x's. `[N, C]` to `[C]` is a bias's gradient.
///
/// # Shapes
///
/// `shape` must broadcast to x's shape; the result has `shape`.
///
/// # Formula
///
/// ```text
/// y[j] = Σ x[i] over all i that broadcasting maps to j,   dx[i] = dy[j]
/// ```
///
/// # On the GPU
///
/// `shaders/op/sum_to.wgsl`: a tree of launches with a fixed shape, so the same bits each time; each invocation sums one run for
/// one element of y, neighbours in memory for neighbouring elements. Tolerance: γ Σ|x|, for the additions a term goes through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumTo {
    /// The result's shape.
    pub shape: Shape,
}

/// x stretched to `shape`, as numpy broadcasts. The derivative of [`SumTo`]. `shaders/op/expand.wgsl`; exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expand {
    /// The result's shape.
    pub shape: Shape,
}

/// Most axes kept, and most summed; they alternate once neighbours are merged.
const SPLIT: usize = 3;

/// The axes of `whole`, innermost first: those that `part` keeps and those it is summed over, each with its stride in `whole`.
fn split(whole: &Shape, part: &Shape) -> [Vec<Axis<1>>; 2] {
    let both = axes(whole, [whole, part]);
    let pick = |summed: bool| {
        let mine = both.iter().filter(move |axis| (axis.1[1] == 0) == summed);
        mine.map(|&(length, [stride, _])| (length, [stride])).collect()
    };
    [pick(false), pick(true)]
}

fn checked(op: &'static str, whole: &Shape, part: &Shape, operand: &'static str) -> Result<(), GraphError> {
    let refuse = |expected| Err(GraphError::Shape { op, operand, expected, found: whole.clone() });
    // An axis of length 1 may not be made longer by the other: only `part` is stretched.
    if common(whole, part).as_ref() != Some(whole) {
        return refuse(format!("one that {part} broadcasts to"));
    }
    if split(whole, part).iter().any(|axes| axes.len() > SPLIT) {
        return refuse(format!("one that {part} broadcasts to along at most {SPLIT} separate axes"));
    }
    Ok(())
}

/// Sums `source` into `target`, each a window and its stride between members, through as many scratch tensors as it takes.
fn tree(
    plan: &Plan,
    mut kept: Vec<Axis<1>>,
    mut summed: Vec<Axis<1>>,
    mut source: (Window, usize),
    target: (Window, usize),
    all: &mut Launches,
) {
    let outputs = target.0.len;
    let mut terms: usize = summed.iter().map(|axis| axis.0).product();
    loop {
        let chunk = run(terms, outputs);
        let parts = if terms <= SHORT { 1 } else { terms.div_ceil(chunk) };
        let chunk = if parts == 1 { terms } else { chunk };
        let len = parts * outputs;
        let to = if parts == 1 {
            target
        } else {
            all.scratch.push(len);
            (Window { operand: Operand::Scratch(all.scratch.len() - 1), offset: 0, len }, padded(len))
        };
        let field = |axes: &[Axis<1>], i: usize| axes.get(i).copied().unwrap_or((1, [0]));
        let mut params = vec![
            ("len", len.into()),
            ("outputs", outputs.into()),
            ("terms", terms.into()),
            ("chunk", chunk.into()),
            ("x_stride", source.1.into()),
            ("y_stride", to.1.into()),
        ];
        let names = [
            (&kept, [("kept0", "kept_step0"), ("kept1", "kept_step1"), ("kept2", "kept_step2")]),
            (&summed, [("summed0", "summed_step0"), ("summed1", "summed_step1"), ("summed2", "summed_step2")]),
        ];
        for (axes, names) in names {
            for (i, (length, step)) in names.into_iter().enumerate() {
                let (d, [s]) = field(axes, i);
                params.extend([(length, d.into()), (step, s.into())]);
            }
        }
        let kernel = Kernel::new("sum_to", wgsl!("op/sum_to", "lib/grid"), "sum_to")
            .constant("KEPT", kept.len().max(1) as f64)
            .constant("SUMMED", summed.len().max(1) as f64);
        let bindings = vec![Binding::Read(source.0), Binding::Write(to.0)];
        all.list.push(Launch { kernel, params, bindings, groups: plan.linear(len, 64), flops: 0 });
        if parts == 1 {
            return;
        }
        source = to;
        kept = vec![(outputs, [1])];
        summed = vec![(parts, [outputs])];
        terms = parts;
    }
}

/// Terms up to which a pass of [`tree`] sums all, the same for all outputs.
const SHORT: usize = 128;

/// The terms of one invocation of [`tree`] where there are more: enough invocations to fill a card, each with enough terms to
/// be worth its place.
fn run(terms: usize, outputs: usize) -> usize {
    (terms * outputs).div_ceil(16_384).max(32)
}

/// The most additions that a term goes through in [`tree`], cut to fit bindings or not, or in the twin: γ in the bound counts
/// the depth of the sum, not its terms (Higham 2002, §4.2).
fn additions(whole: &Shape, part: &Shape, terms: usize) -> usize {
    let outputs = part.elements();
    let (mut left, mut passes, widest) = (terms, 1, run(terms, outputs).max(SHORT));
    while left > SHORT {
        // No pass has longer runs than the first, and none leaves more than runs of 32 would.
        left = left.div_ceil(32);
        passes += 1;
    }
    // Cut to fit bindings, the terms of a part and then the parts take at most two passes more.
    let kernel = (passes + 2) * widest;
    // The twin adds contiguous terms in blocks, rows of outputs one after the other.
    let axes = axes(whole, [part]);
    let (inner, [step]) = axes.first().copied().unwrap_or((1, [0]));
    let twin = if step == 0 { sum_depth(inner) + terms / inner.max(1) } else { terms };
    kernel.max(twin).min(terms)
}

impl Op for SumTo {
    fn name(&self) -> &'static str {
        "sum_to"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x] = operand::reals("sum_to", inputs, ["x"])?;
        checked("sum_to", x, &self.shape, "x")?;
        Ok(Meta::real(self.shape.clone()))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        y.fill(T::zero());
        let (shape, x) = (inputs[0].shape(), inputs[0].real());
        let axes = axes(shape, [&self.shape]);
        let (inner, [step]) = axes.first().copied().unwrap_or((1, [0]));
        // Each core has some of the sums, and takes their terms in order.
        share(y, 1, x.len(), |first, y| {
            let len = y.len();
            let own = |at: usize| at.wrapping_sub(first) < len;
            walk(&axes, |start, [at]| {
                let x = &x[start..start + inner];
                if step == 0 {
                    if own(at) {
                        y[at - first] += sum_slice(x);
                    }
                } else if step == 1 {
                    let (low, high) = (first.max(at), (first + len).min(at + inner));
                    if low < high {
                        let x = &x[low - at..high - at];
                        y[low - first..high - first].iter_mut().zip(x).for_each(|(y, &x)| *y += x);
                    }
                } else {
                    let mine = x.iter().enumerate().filter(|(i, _)| own(at + i * step));
                    mine.for_each(|(i, &x)| y[at + i * step - first] += x);
                }
            });
        });
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (x, dy) = (tape.input(0), tape.upstream());
        let shape = tape.graph().shape(x).clone();
        Ok(vec![Some(tape.graph().expand(dy, shape)?)])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        let (x, outputs) = (&plan.inputs[0], plan.output.elements());
        let [kept, summed] = split(&x.shape, &self.shape);
        let mut all = Launches::default();
        let whole = |operand, len| Window { operand, offset: 0, len };
        let target = (whole(Operand::Output, outputs), plan.output.stride);
        if x.elements() <= plan.max_elements {
            tree(plan, kept, summed, (whole(Operand::Input(0), x.elements()), x.stride), target, &mut all);
            return Ok(all);
        }
        // Cut along the outermost axis, where runs lie together.
        let part = |axes: &[Axis<1>], count: usize| {
            let mut axes = axes.to_vec();
            axes.iter_mut().last().expect("the outermost axis is one of these").0 = count;
            axes
        };
        let step = |axes: &[Axis<1>]| axes.last().map_or(0, |&(_, [step])| step);
        let window = |first: usize, count: usize, width: usize| {
            (Window { operand: Operand::Input(0), offset: first * width, len: count * width }, x.stride)
        };
        if step(&kept) > step(&summed) {
            let (rows, width) = (kept[kept.len() - 1].0, step(&kept));
            let answers = outputs / rows;
            for (first, count) in plan.runs("sum_to", rows, &[width, answers])? {
                let target = Window { operand: Operand::Output, offset: first * answers, len: count * answers };
                let target = (target, plan.output.stride);
                tree(plan, part(&kept, count), summed.clone(), window(first, count, width), target, &mut all);
            }
        } else {
            // A partial sum for each run, then the sum of those.
            let (rows, width) = (summed[summed.len() - 1].0, step(&summed));
            let runs = plan.runs("sum_to", rows, &[width])?;
            let len = runs.len() * padded(outputs);
            if len > plan.max_elements {
                return Err(GraphError::TooLarge { op: "sum_to", elements: len, limit: plan.max_elements });
            }
            let partial = (whole(Operand::Scratch(0), len), len);
            all.scratch.push(len);
            for (r, &(first, count)) in runs.iter().enumerate() {
                let target = Window { offset: r * padded(outputs), len: outputs, ..partial.0 };
                let source = window(first, count, width);
                tree(plan, kept.clone(), part(&summed, count), source, (target, len), &mut all);
            }
            let summed = vec![(runs.len(), [padded(outputs)])];
            tree(plan, vec![(outputs, [1])], summed, partial, target, &mut all);
        }
        Ok(all)
    }

    fn bound(&self, inputs: &[BoundArg<'_>], y: &[f64], error: &mut [f64]) {
        let shape = inputs[0].value.shape();
        let total = |values: Vec<f64>, out: &mut [f64]| {
            Op::twin(self, &[Arg::Real(shape, &values)], out, &Context::default());
        };
        let (x, e) = (inputs[0].value.real(), inputs[0].error);
        let mut sizes = vec![0.0; y.len()];
        total(e.to_vec(), error);
        total(x.iter().zip(e).map(|(x, e)| x.abs() + e).collect(), &mut sizes);
        let terms = if y.is_empty() { 0 } else { shape.elements() / y.len() };
        let roundings = gamma(additions(shape, &self.shape, terms));
        for (error, size) in error.iter_mut().zip(sizes) {
            *error += roundings * size + (terms as f64 + 1.0) * TINY;
        }
    }
}

impl Op for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }

    fn output(&self, inputs: &[Meta]) -> Result<Meta, GraphError> {
        let [x] = operand::reals("expand", inputs, ["x"])?;
        if common(&self.shape, x).as_ref() != Some(&self.shape) {
            let expected = format!("one that broadcasts to {}", self.shape);
            return Err(GraphError::Shape { op: "expand", operand: "x", expected, found: x.clone() });
        }
        checked("expand", &self.shape, x, "shape")?;
        Ok(Meta::real(self.shape.clone()))
    }

    fn twin<T: Scalar>(&self, inputs: &[Arg<'_, T>], y: &mut [T], _: &Context) {
        let x = inputs[0].real();
        let axes = axes(&self.shape, [inputs[0].shape()]);
        let (inner, [step]) = axes.first().copied().unwrap_or((1, [0]));
        walk(&axes, |start, [at]| {
            for (i, y) in y[start..start + inner].iter_mut().enumerate() {
                *y = x[at + i * step];
            }
        });
    }

    fn gradient(&self, tape: &mut Tape<'_>) -> Result<Vec<Option<NodeId>>, GraphError> {
        let (x, dy) = (tape.input(0), tape.upstream());
        let shape = tape.graph().shape(x).clone();
        Ok(vec![Some(tape.graph().sum_to(dy, shape)?)])
    }

    fn launches(&self, plan: &Plan) -> Result<Launches, GraphError> {
        plan.whole("expand")?;
        let axes = axes(&self.shape, [&plan.inputs[0].shape]);
        let len = plan.output.elements();
        let field = |i: usize| axes.get(i).copied().unwrap_or((1, [0]));
        let mut params =
            vec![("len", len.into()), ("x_stride", plan.inputs[0].stride.into()), ("y_stride", plan.output.stride.into())];
        for (i, name) in ["d0", "d1", "d2", "d3", "d4"].into_iter().enumerate() {
            params.push((name, field(i).0.into()));
        }
        for (i, name) in ["x0", "x1", "x2", "x3", "x4", "x5"].into_iter().enumerate() {
            params.push((name, field(i).1[0].into()));
        }
        let launch = Launch {
            kernel: Kernel::new("expand", wgsl!("op/expand", "lib/grid"), "expand"),
            params,
            bindings: vec![Binding::read(Operand::Input(0), plan.inputs[0].elements()), Binding::write(Operand::Output, len)],
            groups: plan.linear(len, 64),
            flops: 0,
        };
        Ok(launch.into())
    }

    fn bound(&self, inputs: &[BoundArg<'_>], y: &[f64], error: &mut [f64]) {
        debug_assert_eq!(y.len(), error.len());
        let shape = inputs[0].value.shape();
        Op::twin(self, &[Arg::Real(shape, inputs[0].error)], error, &Context::default());
        error.iter_mut().for_each(|e| *e += TINY);
    }
}

impl Graph {
    /// Sums x over the axes along which a tensor of `shape` would be broadcast; x itself if it has that shape. See [`SumTo`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if `shape` does not broadcast to x's.
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::{Graph, graph::{Arg, Context, Op}, op::sum_to::SumTo};
    /// let mut g = Graph::new();
    /// let x = g.input("x", [64, 10])?;
    /// let y = g.sum_to(x, [10])?;
    /// assert_eq!(g.shape(y).to_string(), "[10]");
    ///
    /// let mut y = [0.0; 2];
    /// SumTo { shape: [2].into() }.twin(&[Arg::Real(&[2, 2].into(), &[1.0, 2.0, 3.0, 4.0])], &mut y, &Context::default());
    /// assert_eq!(y, [4.0, 6.0]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn sum_to(&mut self, x: NodeId, shape: impl Into<Shape>) -> Result<NodeId, GraphError> {
        let shape = shape.into();
        if *self.shape(x) == shape { Ok(x) } else { self.apply(SumTo { shape }, &[x]) }
    }

    /// x stretched to `shape`, as numpy broadcasts; x itself if it has that shape. See [`Expand`].
    ///
    /// # Errors
    ///
    /// [`GraphError::Shape`] if x does not broadcast to `shape`.
    pub fn expand(&mut self, x: NodeId, shape: impl Into<Shape>) -> Result<NodeId, GraphError> {
        let shape = shape.into();
        if *self.shape(x) == shape { Ok(x) } else { self.apply(Expand { shape }, &[x]) }
    }
}

/// Rows, columns, everything, axes between others, long sums, nothing to sum.
pub fn cases() -> Vec<Case> {
    // Of either sign, yet not adding up to nothing: a long sum of that is all rounding.
    let any = Fill::Uniform(-0.5, 1.5);
    let mut cases = Vec::new();
    let pairs: [(&[usize], &[usize]); 11] = [
        (&[64, 128], &[128]),
        (&[65, 63], &[65, 1]),
        (&[1009], &[]),
        (&[129, 3], &[3]),
        (&[7, 3, 5, 5], &[3, 1, 1]),
        (&[2, 3, 5, 7, 3, 2], &[1, 3, 1, 7, 1, 2]),
        (&[3, 1], &[1]),
        (&[0, 5], &[5]),
        (&[5, 0], &[1, 0]),
        (&[1, 4], &[4]),
        (&[70_001], &[1]),
    ];
    for (whole, part) in pairs {
        cases.push(Case::new(format!("{whole:?} to {part:?}"), SumTo { shape: part.into() }).real(whole, any));
        cases.push(Case::new(format!("{part:?} to {whole:?}"), Expand { shape: whole.into() }).real(part, any));
    }
    let bias = Case::new("[4096, 1000] to [1000]", SumTo { shape: [1000].into() });
    cases.push(bias.real([4096, 1000], any).edge().benched());
    cases
}

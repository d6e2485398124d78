//! Ops one by one: each case of the registries, mid-graph.

use super::graph::weights;
use super::{GradientCheck, GraphReport, KernelReport, graph, kernels};
use crate::device::gpu::Gpu;
use crate::device::{Feed, Feeds};
use crate::error::Result;
use crate::graph::{Accumulate, Context, Graph, NodeId};
use crate::op::{Case, CaseInput, Fill};
use crate::rng::{Stream, stream};

/// The values of a case's operand, as f32 holds them, so that only a kernel's own rounding counts.
pub fn fill(input: &CaseInput, stream: Stream) -> Feed {
    let n = input.shape.elements() as u32;
    let single = |x: f64| f64::from(x as f32);
    let reals = |value: &dyn Fn(u32) -> f64| Feed::Real((0..n).map(|i| single(value(i))).collect());
    match input.fill {
        Fill::Uniform(low, high) => reals(&|i| low + (high - low) * stream.uniform(i)),
        Fill::Away(low, high) => reals(&|i| {
            let magnitude = low + (high - low) * stream.uniform(i);
            if stream.word(i).is_multiple_of(2) { magnitude } else { -magnitude }
        }),
        Fill::Index(below) => Feed::Index((0..n).map(|i| stream.word(i) % below.max(1)).collect()),
        Fill::Rows(sum) => {
            let width = input.shape.last().copied().unwrap_or(1).max(1);
            let raw: Vec<f64> = (0..n).map(|i| 0.1 + stream.uniform(i)).collect();
            let scaled = |row: &[f64]| {
                let total: f64 = row.iter().sum();
                row.iter().map(|x| single(x / total * sum)).collect::<Vec<_>>()
            };
            Feed::Real(raw.chunks(width).flat_map(scaled).collect())
        }
        Fill::Constant(value) => reals(&|_| value),
    }
}

/// What was found in one case of an op.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct OpReport {
    /// The op.
    pub op: &'static str,
    /// What is different about the case.
    pub case: String,
    /// The derivative; `None` for cases at kinks or edges, and where no operand has a derivative.
    pub derivative: Option<GraphReport>,
    /// The kernels of the value and of the derivative against their twins; empty without a GPU.
    pub kernels: Vec<KernelReport>,
}

impl OpReport {
    /// Whether all that was checked is right.
    pub fn passed(&self) -> bool {
        self.derivative.as_ref().is_none_or(GraphReport::passed) && self.kernels.iter().all(KernelReport::passed)
    }
}

/// What was found in all ops.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct OpsReport {
    /// The adapter the kernels ran on.
    pub adapter: Option<String>,
    /// Each case.
    pub cases: Vec<OpReport>,
}

impl OpsReport {
    /// Whether every case passed, and there was one.
    pub fn passed(&self) -> bool {
        !self.cases.is_empty() && self.cases.iter().all(OpReport::passed)
    }
}

/// Checks one case of an op: its derivative in f64, mid-graph (behind another op, before a random weighting), and with a GPU its kernels,
/// forward and backward, against their twins.
///
/// This is how an op from outside the crate is proved; see `examples/custom_op.rs`.
///
/// # Errors
///
/// What the op's shape rule and derivative refuse, and what the GPU does.
///
/// # Examples
///
/// ```
/// use thalweg::check::{self, GradientCheck};
/// use thalweg::graph::Accumulate;
/// use thalweg::op::{Case, Fill};
///
/// let any = Fill::Uniform(-1.0, 1.0);
/// let case = Case::new("a few", Accumulate).real([5], any).real([5], any);
/// assert!(check::op(&case, &GradientCheck::default(), None)?.passed());
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn op(case: &Case, check: &GradientCheck, gpu: Option<&Gpu>) -> Result<OpReport> {
    let cx = Context { step: 1, seed: check.seed };
    let mut report = OpReport { op: case.op.name(), case: case.label.clone(), derivative: None, kernels: Vec::new() };
    let differentiable = case.inputs.iter().any(|input| input.differentiable);
    if case.smooth && differentiable {
        let built = Built::new(case, check, true)?;
        report.derivative = Some(graph(&built.graph, built.y, &built.feeds, &built.wrt, &cx, check)?);
    }
    if let Some(gpu) = gpu {
        let mut built = Built::new(case, check, false)?;
        let g = &mut built.graph;
        let mut wanted = vec![("value".to_owned(), built.y)];
        if differentiable {
            let shape = g.shape(built.y).clone();
            let upstream = g.input("upstream", shape.clone())?;
            let single = weights(&shape, check).iter().map(|&w| f64::from(w as f32)).collect::<Vec<_>>();
            built.feeds.insert(upstream, single.into());
            let gradients = g.gradients(built.y, upstream, &built.wrt)?;
            let named = built.wrt.iter().zip(gradients).filter_map(|(&id, gradient)| Some((id, gradient?)));
            wanted.extend(named.map(|(id, gradient)| (format!("derivative of {}", built.name(id)), gradient)));
        }
        let wanted: Vec<(&str, NodeId)> = wanted.iter().map(|(name, id)| (name.as_str(), *id)).collect();
        report.kernels = kernels(gpu, &built.graph, &built.feeds, &wanted, &cx)?;
    }
    Ok(report)
}

/// Checks every case of every op and loss of the library.
///
/// # Errors
///
/// As [`op`].
pub fn ops(check: &GradientCheck, gpu: Option<&Gpu>) -> Result<OpsReport> {
    let mut cases = Vec::new();
    for entry in crate::op::ALL.iter().chain(crate::loss::ALL) {
        for case in (entry.cases)() {
            cases.push(op(&case, check, gpu)?);
        }
    }
    Ok(OpsReport { adapter: gpu.map(|gpu| gpu.adapter().name.clone()), cases })
}

/// A case as a graph.
struct Built {
    graph: Graph,
    y: NodeId,
    feeds: Feeds,
    wrt: Vec<NodeId>,
}

impl Built {
    /// With `amid`, operands whose derivative is checked come out of another op.
    fn new(case: &Case, check: &GradientCheck, amid: bool) -> Result<Self> {
        let (mut g, mut feeds) = (Graph::new(), Feeds::new());
        let (mut operands, mut wrt) = (Vec::new(), Vec::new());
        for (i, input) in case.inputs.iter().enumerate() {
            let name = format!("input {i}");
            let draw = Stream::new(check.seed, 0x8000_0000 + i as u32, stream::CHECK);
            let values = fill(input, draw);
            let shape = input.shape.clone();
            let mut id = match values {
                Feed::Index(_) => g.index_input(&name, shape.clone())?,
                Feed::Real(_) => g.input(&name, shape.clone())?,
            };
            feeds.insert(id, values);
            if input.differentiable {
                wrt.push(id);
                if amid {
                    let zero = g.input(&format!("zero {i}"), shape.clone())?;
                    feeds.insert(zero, vec![0.0; shape.elements()].into());
                    id = g.apply(Accumulate, &[id, zero])?;
                }
            }
            operands.push(id);
        }
        let y = g.apply_dyn(case.op.clone(), &operands)?;
        Ok(Self { graph: g, y, feeds, wrt })
    }

    fn name(&self, id: NodeId) -> String {
        self.graph.inputs().find(|&(_, input)| input == id).map(|(name, _)| name.to_owned()).unwrap_or_default()
    }
}

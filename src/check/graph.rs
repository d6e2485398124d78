//! The derivative of any graph against centred differences.

use super::GradientCheck;
use super::differences::{compare, dimension};
use super::probe::Probe;
use super::sweep::{self, Sweep};
use super::verdict::{Dimension, Verdict};
use crate::device::{Feeds, cpu};
use crate::error::{GraphError, Result};
use crate::graph::{Context, Dtype, Graph, Kind, NodeId};
use crate::rng::{Stream, stream};
use crate::shape::Shape;

/// What was found in one tensor.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct TensorReport {
    /// Its name in the graph.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Each dimension checked.
    pub dimensions: Vec<Dimension>,
    /// Nothing could be decided, but all of it is below 1e-7 of the largest derivative of the graph: in effect 0, like the bias
    /// before a softmax over a single class.
    pub negligible: bool,
}

impl TensorReport {
    /// The dimension to look at: a failed one if there is any, then the one with the largest error among those that passed.
    pub fn worst(&self) -> Option<&Dimension> {
        let rank = |d: &Dimension| (d.verdict.fails(), d.verdict.passes());
        self.dimensions.iter().max_by(|a, b| rank(a).cmp(&rank(b)).then(a.error.total_cmp(&b.error)))
    }

    /// How many dimensions got that verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.dimensions.iter().filter(|d| d.verdict == verdict).count()
    }

    /// Whether no dimension failed.
    pub fn sound(&self) -> bool {
        !self.dimensions.iter().any(|d| d.verdict.fails())
    }

    /// Whether anything was decided: a dimension passed or failed, the tensor is empty, or negligible.
    pub fn decided(&self) -> bool {
        let decided = |d: &Dimension| d.verdict.passes() || d.verdict.fails();
        self.dimensions.is_empty() || self.negligible || self.dimensions.iter().any(decided)
    }
}

/// What was found in a graph.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct GraphReport {
    /// The value that was differentiated, times the scale.
    pub value: f64,
    /// Whether no op on the way has a kink: then 1e-7 is demanded.
    pub smooth: bool,
    /// Each tensor.
    pub tensors: Vec<TensorReport>,
    /// The error over the step, if asked for.
    pub sweep: Option<Sweep>,
    /// What a person should know beside the verdicts.
    pub warnings: Vec<String>,
}

impl GraphReport {
    /// Whether no dimension failed and every tensor was decided: a check that proved nothing does not pass.
    pub fn passed(&self) -> bool {
        self.tensors.iter().all(|t| t.sound() && t.decided())
    }
}

/// Checks the derivative of `y` with respect to each of `wrt` at the point `feeds`, in f64.
///
/// A `y` that is no scalar stands behind random weights in ±[0.5, 1.5), so that every element counts. Any graph will do, with ops from
/// outside the crate too. `cx` is held for every evaluation, so random ops are checked like others.
///
/// # Errors
///
/// [`GraphError`] for settings out of range, for a `wrt` that is not a source of real numbers, and where an op on the way has no
/// derivative; [`DeviceError`](crate::error::DeviceError) where something is not fed.
///
/// # Examples
///
/// ```
/// use std::collections::HashMap;
/// use thalweg::Graph;
/// use thalweg::check::{self, GradientCheck};
/// use thalweg::device::Feed;
/// use thalweg::graph::{Accumulate, Context};
///
/// let mut g = Graph::new();
/// let w = g.parameter("w", [3])?;
/// let y = g.apply(Accumulate, &[w, w])?; // y = 2 w
/// let feeds = HashMap::from([(w, Feed::Real(vec![0.5, -1.0, 2.0]))]);
/// let report = check::graph(&g, y, &feeds, &[w], &Context::default(), &GradientCheck::default())?;
/// assert!(report.passed() && report.smooth);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn graph(
    graph: &Graph,
    y: NodeId,
    feeds: &Feeds,
    wrt: &[NodeId],
    cx: &Context,
    check: &GradientCheck,
) -> Result<GraphReport> {
    check.validate()?;
    if let Some(foreign) = wrt.iter().chain([&y]).find(|id| id.0 >= graph.nodes().len()) {
        return Err(GraphError::ForeignNode { node: foreign.0, nodes: graph.nodes().len() }.into());
    }
    let mut graph = graph.clone();
    let mut upstream_name = "upstream".to_owned();
    while graph.inputs().any(|(name, _)| name == upstream_name) {
        upstream_name.push('\'');
    }
    let upstream = graph.input(&upstream_name, graph.shape(y).clone())?;
    let gradients = graph.gradients(y, upstream, wrt)?;
    let weights = weights(graph.shape(y), check);
    let mut feeds = feeds.clone();
    feeds.insert(upstream, weights.clone().into());
    let subject = Subject { graph: &graph, y, weights: &weights, wrt, gradients: &gradients };
    examine(&subject, &feeds, cx, check)
}

/// 1 for a scalar, else away from 0 and from each other; times the scale.
pub(super) fn weights(shape: &Shape, check: &GradientCheck) -> Vec<f64> {
    if shape.rank() == 0 {
        return vec![check.scale];
    }
    let draw = Stream::new(check.seed, u32::MAX, stream::CHECK);
    let weight = |i| (0.5 + draw.uniform(i)) * if draw.word(i).is_multiple_of(2) { check.scale } else { -check.scale };
    (0..shape.elements() as u32).map(weight).collect()
}

/// A graph with its gradients in it.
pub(super) struct Subject<'a> {
    pub graph: &'a Graph,
    pub y: NodeId,
    pub weights: &'a [f64],
    pub wrt: &'a [NodeId],
    pub gradients: &'a [Option<NodeId>],
}

/// Compares gradients that are in the graph with differences of its output.
pub(super) fn examine(
    subject: &Subject<'_>,
    feeds: &Feeds,
    cx: &Context,
    check: &GradientCheck,
) -> Result<GraphReport> {
    let Subject { graph, y, weights, wrt, gradients } = *subject;
    let names = wrt.iter().map(|&id| source_name(graph, id)).collect::<Result<Vec<_>, _>>()?;
    let present: Vec<NodeId> = gradients.iter().copied().flatten().collect();
    let mut values = cpu::evaluate(graph, feeds, &present, cx)?.into_iter();
    let mut analytic = Vec::with_capacity(wrt.len());
    for (&id, gradient) in wrt.iter().zip(gradients) {
        let given = gradient.and_then(|_| values.next());
        analytic.push(given.unwrap_or_else(|| vec![0.0; graph.shape(id).elements()]));
    }

    let mut probe = Probe::new(graph, y, weights, feeds, *cx)?;
    let base = probe.sample();
    let (value, smooth) = (probe.value(&base), base.winners.is_empty());
    let mut tensors = Vec::with_capacity(wrt.len());
    for (t, (&id, name)) in wrt.iter().zip(names).enumerate() {
        let shape = graph.shape(id);
        let chosen = choose(&analytic[t], check, t as u32);
        let look = |element| {
            let judged = compare(&mut probe, (id, element), analytic[t][element], check.step, smooth);
            dimension(shape, element, analytic[t][element], judged)
        };
        let dimensions = chosen.into_iter().map(look).collect();
        tensors.push(TensorReport { name, shape: shape.to_vec(), dimensions, negligible: false });
    }
    let largest = analytic.iter().flatten().filter(|g| g.is_finite()).fold(0.0_f64, |m, g| m.max(g.abs()));
    for tensor in &mut tensors {
        let tiny = |d: &Dimension| {
            d.verdict == Verdict::BelowResolution && d.numeric.abs().max(d.analytic.abs()) <= 1e-7 * largest
        };
        tensor.negligible = !tensor.dimensions.is_empty() && tensor.dimensions.iter().all(tiny);
    }
    let sweep = check.sweep.then(|| sweep::measure(&mut probe, wrt, &analytic, check));
    let mut report = GraphReport { value, smooth, tensors, sweep, warnings: Vec::new() };
    report.warnings = warnings(&report, gradients, check);
    Ok(report)
}

/// The dimensions to check of one tensor: the largest derivative, and others at random.
pub(super) fn choose(analytic: &[f64], check: &GradientCheck, tensor: u32) -> Vec<usize> {
    let len = analytic.len();
    if len <= check.dimensions {
        return (0..len).collect();
    }
    let largest = (0..len).max_by(|&a, &b| analytic[a].abs().total_cmp(&analytic[b].abs())).unwrap_or(0);
    let mut chosen = std::collections::BTreeSet::from([largest]);
    let draw = Stream::new(check.seed, tensor, stream::CHECK);
    let mut element = 0;
    while chosen.len() < check.dimensions {
        chosen.insert((draw.uniform(element) * len as f64) as usize);
        element += 1;
    }
    chosen.into_iter().collect()
}

fn source_name(graph: &Graph, id: NodeId) -> Result<String, GraphError> {
    let node = graph.node(id);
    match &node.kind {
        Kind::Parameter { name } | Kind::Buffer { name } | Kind::Input { name, .. } | Kind::Setting { name, .. }
            if node.meta.dtype == Dtype::Real =>
        {
            Ok(name.clone())
        }
        Kind::Op { op, .. } => Err(not_a_source(format!("the result of {}", op.name()))),
        _ => Err(not_a_source("indices".into())),
    }
}

fn not_a_source(found: String) -> GraphError {
    GraphError::Range { op: "gradcheck", field: "wrt", range: "a parameter or input of real numbers", found }
}

fn warnings(report: &GraphReport, gradients: &[Option<NodeId>], check: &GradientCheck) -> Vec<String> {
    let mut said = Vec::new();
    if !report.value.is_finite() {
        said.push(format!("the value itself is {}: nothing can be compared", report.value));
    }
    for (tensor, gradient) in report.tensors.iter().zip(gradients) {
        let name = &tensor.name;
        if gradient.is_none() {
            said.push(format!("{name}: the value does not depend on it"));
        }
        let total = tensor.dimensions.len();
        let crossed = tensor.count(Verdict::CrossedKink);
        if crossed > 0 {
            said.push(format!("{name}: {crossed} of {total} dimensions crossed a kink, at smaller steps too"));
        }
        let below = tensor.count(Verdict::BelowResolution);
        if below > 0 {
            said.push(format!(
                "{name}: {below} of {total} dimensions are below resolution: rounding of the value explains the difference"
            ));
        }
        if tensor.negligible {
            said.push(format!("{name}: below 1e-7 of the largest derivative, in effect 0"));
        } else if !tensor.decided() {
            said.push(format!("{name}: NOTHING WAS DECIDED. Try another seed, more dimensions or another step"));
        }
        let size = |d: &Dimension| d.numeric.abs().max(d.analytic.abs());
        let low = tensor.dimensions.iter().filter(|d| size(d) > 0.0 && size(d) < 1e-10).count();
        if low > 0 {
            let largest = tensor.dimensions.iter().map(size).fold(0.0, f64::max);
            let advice = if largest < 1e-10 {
                let scale = check.scale * 10f64.powi((-largest.log10()).ceil() as i32);
                format!("; scale the loss by {scale:e} so that they are of order 1")
            } else {
                String::new()
            };
            said.push(format!(
                "{name}: {low} of {total} derivatives are below 1e-10, where floating point compares badly (largest {largest:.3e}){advice}"
            ));
        }
    }
    said
}

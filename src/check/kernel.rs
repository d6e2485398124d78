//! The GPU's f32 values against the f64 ones.

use super::differences::unravel;
use super::{Bounded, bounds};
use crate::device::Feeds;
use crate::device::gpu::{Evaluation, Gpu, evaluate};
use crate::error::DeviceError;
use crate::graph::{Context, Graph, NodeId};
use crate::shape::Shape;

/// What was found in one tensor, all elements of it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct KernelReport {
    /// What it is.
    pub name: String,
    /// Elements compared.
    pub elements: usize,
    /// Elements outside their bound.
    pub wrong: usize,
    /// Elements that are not finite on the GPU where the twin's is.
    pub non_finite: usize,
    /// Elements that have a finite value and no finite bound: whatever the GPU found there would do.
    pub unbounded: usize,
    /// The largest `|gpu − f64| / bound`; infinite where something is not finite. At most 1 passes.
    pub worst: f64,
    /// Where that is.
    pub index: Vec<usize>,
    /// The GPU's value there.
    pub gpu: f64,
    /// The f64 one.
    pub twin: f64,
    /// The bound there.
    pub bound: f64,
    /// The largest bound over the tensor's largest magnitude: how much the comparison can see.
    pub resolution: f64,
    /// That magnitude, of the twin.
    pub largest: f64,
}

impl KernelReport {
    /// Whether every element is finite where the twin's is, and within a finite bound.
    pub fn passed(&self) -> bool {
        self.wrong == 0 && self.non_finite == 0 && self.unbounded == 0
    }

    /// Whether the bound has grown so large through the graph that passing says little: above 1 % of the tensor's largest element.
    /// [`trace`](super::trace) then holds each op of the graph to its own.
    pub fn vacuous(&self) -> bool {
        self.elements > 0 && !(self.resolution <= 1e-2)
    }

    /// Whether it [`passed`](Self::passed) and that says something: a tensor that is 0 everywhere may have any bound but those of
    /// others must tell it from 0.
    pub fn proved(&self) -> bool {
        self.passed() && (!self.vacuous() || self.largest == 0.0)
    }
}

/// Computes `wanted` on the GPU and in f64 and holds each element to [`bounds`] (and one smallest normal f32, since GPUs may flush what
/// is below to zero). Memory behind every tensor is watched for stray writes.
///
/// Feed values that f32 holds exactly: the rounding of others widens the bound.
///
/// # Errors
///
/// As [`evaluate`]: something not fed, a kernel refused, a stray write, a lost device.
pub fn kernels(
    gpu: &Gpu,
    graph: &Graph,
    feeds: &Feeds,
    wanted: &[(&str, NodeId)],
    cx: &Context,
) -> Result<Vec<KernelReport>, DeviceError> {
    let nodes: Vec<NodeId> = wanted.iter().map(|&(_, id)| id).collect();
    let twins = bounds(graph, feeds, &nodes, cx)?;
    let found = evaluate(gpu, graph, feeds, &nodes, &Evaluation { members: vec![*cx], sentinels: true })?;
    let held = wanted.iter().zip(&twins).zip(&found);
    Ok(held.map(|((&(name, id), twin), found)| hold(name, graph.shape(id), found, twin)).collect())
}

/// Each element against its twin, within its bound.
pub(super) fn hold(name: &str, shape: &Shape, found: &[f64], twin: &Bounded) -> KernelReport {
    let mut report = KernelReport {
        name: name.into(),
        elements: shape.elements(),
        // Elements that did not come back count as wrong.
        wrong: shape.elements().abs_diff(found.len()),
        non_finite: 0,
        unbounded: 0,
        worst: 0.0,
        index: vec![0; shape.rank()],
        gpu: found.first().copied().unwrap_or(0.0),
        twin: twin.value.first().copied().unwrap_or(0.0),
        bound: twin.error.first().copied().unwrap_or(0.0),
        resolution: 0.0,
        largest: 0.0,
    };
    for (i, ((&got, &expected), &bound)) in found.iter().zip(&twin.value).zip(&twin.error).enumerate() {
        let tolerance = bound + f64::from(f32::MIN_POSITIVE);
        let error = if got == expected { 0.0 } else { (got - expected).abs() };
        report.non_finite += usize::from(!got.is_finite() && expected.is_finite());
        let open = expected.is_finite() && !tolerance.is_finite();
        report.unbounded += usize::from(open);
        // What has no bound, or NaN for one, is not passed, nor is it known to be wrong.
        if !(error <= tolerance || open) {
            report.wrong += 1;
        }
        let ratio = error / tolerance;
        let ratio = if open || ratio.is_nan() { f64::INFINITY } else { ratio };
        if ratio > report.worst {
            report.worst = ratio;
            (report.index, report.gpu, report.twin, report.bound) = (unravel(shape, i), got, expected, bound);
        }
    }
    let widest = twin.error.iter().fold(0.0, |m: f64, &e| if e.is_nan() { f64::INFINITY } else { m.max(e) });
    report.largest = twin.value.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    report.resolution = if widest == 0.0 { 0.0 } else { widest / report.largest };
    report
}

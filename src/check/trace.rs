//! Each op of a graph on its own, on the operands that the GPU itself gave it.

use super::kernel::hold;
use super::{Bounded, KernelReport};
use crate::device::gpu::{Evaluation, Gpu, evaluate};
use crate::device::{Feed, Feeds, fed};
use crate::error::DeviceError;
use crate::graph::{Arg, BoundArg, Context, Graph, Kind, NodeId};

/// Holds the value of every op between what is fed and `wanted` to its twin *at the operands that the GPU had*, where nothing but the
/// op's own rounding counts: one report for each kind of op, with the worst of it.
///
/// This is what proves a deep graph. The bounds of [`kernels`](super::kernels) are carried from op to op, each taken at its worst, so
/// that they grow by a factor a layer and behind some twenty say nothing, or are infinite (behind a variance that its bound
/// does not tell from 0). Here they do not grow, and a kernel that is wrong at the shapes of this very graph still shows.
/// The last report says whether `wanted` came out with the same bits as when nothing else was read back: that what was
/// looked at is what is computed.
///
/// What it cannot say is how far the rounding of all ops together moves the result.
///
/// # Errors
///
/// As [`kernels`](super::kernels).
pub fn trace(
    gpu: &Gpu,
    graph: &Graph,
    feeds: &Feeds,
    wanted: &[NodeId],
    cx: &Context,
) -> Result<Vec<KernelReport>, DeviceError> {
    let live = graph.live(wanted);
    let ids = || (0..graph.nodes().len()).map(NodeId).filter(|id| live[id.index()]);
    let computed: Vec<NodeId> =
        ids().filter(|&id| matches!(&graph.node(id).kind, Kind::Op { op, .. } if !op.is_view())).collect();
    let how = Evaluation { members: vec![*cx], sentinels: true };
    let all: Vec<NodeId> = computed.iter().chain(wanted).copied().collect();
    let mut found = evaluate(gpu, graph, feeds, &all, &how)?;
    let results = found.split_off(computed.len());

    // Each node's values as the GPU has them.
    let mut seen: Vec<Feed> = vec![Feed::Real(Vec::new()); graph.nodes().len()];
    let mut computed = computed.into_iter().zip(found).peekable();
    let mut kinds: Vec<Vec<(KernelReport, f64)>> = Vec::new();
    for id in ids() {
        let node = graph.node(id);
        let Kind::Op { op, inputs } = &node.kind else {
            seen[id.index()] = match fed(graph, id, feeds, 1)?.into_owned() {
                Feed::Real(values) => Feed::Real(values.into_iter().map(|x| f64::from(x as f32)).collect()),
                indices => indices,
            };
            continue;
        };
        let Some((_, values)) = computed.next_if(|&(next, _)| next == id) else {
            seen[id.index()] = seen[inputs[0].index()].clone();
            continue;
        };
        let (shapes, operands) = (inputs.iter().map(|&i| graph.shape(i)), inputs.iter().map(|i| &seen[i.index()]));
        let args: Vec<Arg<'_, f64>> = shapes
            .zip(operands)
            .map(|(shape, feed)| match feed {
                Feed::Real(values) => Arg::Real(shape, values),
                Feed::Index(values) => Arg::Index(shape, values),
            })
            .collect();
        let zeros: Vec<Vec<f64>> = args
            .iter()
            .map(|arg| if let Arg::Real(_, values) = arg { vec![0.0; values.len()] } else { Vec::new() })
            .collect();
        let exact: Vec<BoundArg<'_>> =
            args.iter().zip(&zeros).map(|(&value, error)| BoundArg { value, error }).collect();
        let len = node.meta.shape.elements();
        let mut twin = Bounded { value: vec![0.0; len], error: vec![0.0; len] };
        op.twin_f64(&args, &mut twin.value, cx);
        op.bound(&exact, &twin.value, &mut twin.error);
        let report = hold(op.name(), &node.meta.shape, &values, &twin);
        let widest = twin.error.iter().fold(0.0, |m: f64, &e| if e.is_nan() { f64::INFINITY } else { m.max(e) });
        match kinds.iter_mut().find(|kind| kind[0].0.name == op.name()) {
            Some(kind) => kind.push((report, widest)),
            None => kinds.push(vec![(report, widest)]),
        }
        seen[id.index()] = Feed::Real(values);
    }
    let mut reports: Vec<KernelReport> = kinds.into_iter().map(together).collect();
    let alone = evaluate(gpu, graph, feeds, wanted, &how)?.concat();
    let twin = Bounded { error: vec![0.0; alone.len()], value: results.concat() };
    reports.push(hold("same bits", &[twin.value.len()].into(), &alone, &twin));
    Ok(reports)
}

/// All ops of a kind as one, with the worst of each. Sums in which everything cancels, as a bias before a normalisation gets for its
/// gradient, are all rounding: their bound is measured by the largest value that the kind has anywhere here. If it is small
/// beside that, a kernel that did not cancel would show.
fn together(kind: Vec<(KernelReport, f64)>) -> KernelReport {
    let (count, largest) = (kind.len(), kind.iter().fold(0.0_f64, |m, (report, _)| m.max(report.largest)));
    let measured = kind.into_iter().map(|(mut report, widest)| {
        if report.vacuous() && largest > 0.0 {
            (report.resolution, report.largest) = (widest / largest, largest);
        }
        report
    });
    let joined = measured.reduce(|mut all, one| {
        all.elements += one.elements;
        all.wrong += one.wrong;
        all.non_finite += one.non_finite;
        all.unbounded += one.unbounded;
        if !(one.resolution <= all.resolution) {
            (all.resolution, all.largest) = (one.resolution, one.largest);
        }
        if one.worst > all.worst {
            (all.worst, all.index) = (one.worst, one.index);
            (all.gpu, all.twin, all.bound) = (one.gpu, one.twin, one.bound);
        }
        all
    });
    let Some(joined) = joined else { unreachable!("a kind has an op") };
    KernelReport { name: format!("{} x{count}", joined.name), ..joined }
}

//! One run of a graph with values fed from the host: what checks and small predictions use.

use super::Gpu;
use super::buffer::{Bound, Room, to_reals, to_words};
use super::compile::{Surroundings, compile, encode};
use crate::device::{Feed, Feeds, fed};
use crate::error::DeviceError;
use crate::graph::{Context, Dtype, Graph, Kind, NodeId};
use crate::kernel::{ALIGN, padded};

/// What stands behind every tensor while a kernel is checked: a quiet NaN with a face.
const SENTINEL: u32 = 0x7fc0_5e77;

/// How a graph is run once.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// One seed and step for each member; empty is one member with the default context.
    pub members: Vec<Context>,
    /// Fill all memory with sentinel words first and look at the ones between tensors afterwards.
    pub sentinels: bool,
}

/// The values of `wanted` for each member, in order `[wanted][member × element]`; a value that all members share comes once.
///
/// Per-member inputs and parameters are fed member after member.
///
/// # Errors
///
/// As building any program; [`DeviceError::Kernel`] if a sentinel word was overwritten.
pub fn evaluate(
    gpu: &Gpu,
    graph: &Graph,
    feeds: &Feeds,
    wanted: &[NodeId],
    how: &Evaluation,
) -> Result<Vec<Vec<f64>>, DeviceError> {
    let contexts = if how.members.is_empty() { vec![Context::default()] } else { how.members.clone() };
    let members = contexts.len();
    let control = control_words(&contexts);
    let buffer = gpu.storage("control words", control.len())?;
    gpu.write(&buffer, 0, &control);
    let control = Bound::whole(buffer);

    let live = graph.live(wanted);
    let mut sources: Vec<Option<Bound>> = vec![None; graph.nodes().len()];
    for i in (0..sources.len()).filter(|&i| live[i]) {
        let node = &graph.nodes()[i];
        let copies = match &node.kind {
            Kind::Op { .. } => continue,
            Kind::Input { per_member, .. } => {
                if *per_member {
                    members
                } else {
                    1
                }
            }
            Kind::Parameter { .. } | Kind::Buffer { .. } | Kind::Setting { .. } => members,
        };
        let len = node.meta.shape.elements();
        let words = match &*fed(graph, NodeId(i), feeds, copies)? {
            Feed::Real(values) => to_words(values),
            Feed::Index(values) => values.clone(),
        };
        let stride = padded(len);
        let buffer = gpu.storage("values fed", stride * copies)?;
        for (m, member) in words.chunks(len.max(1)).enumerate() {
            gpu.write(&buffer, m * stride, member);
        }
        sources[i] = Some(Bound { buffer, offset: 0, stride: if copies > 1 { stride } else { 0 }, guard: 0 });
    }
    let source = |id: NodeId| sources[id.0].clone().expect("every live source was fed above");
    let guard = if how.sentinels { ALIGN } else { 0 };
    let around = Surroundings { members: members as u32, guard, source: &source, pinned: &|_| None, control: &control };
    let computed = |i: &usize| live[*i] && matches!(&graph.nodes()[*i].kind, Kind::Op { op, .. } if !op.is_view());
    let all: Vec<NodeId> = (0..live.len()).filter(computed).map(NodeId).collect();
    let mut compiled = compile(gpu, graph, wanted, &around, &mut Room::default())?;
    if how.sentinels {
        for slot in compiled.slots() {
            gpu.write(slot, 0, &vec![SENTINEL; slot.elements()]);
        }
    }
    let dispatches = std::mem::take(&mut compiled.drafts).finish(gpu)?;
    let mut encoder = gpu.shared.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    encode(&mut pass, &dispatches);
    drop(pass);
    gpu.shared.queue.submit([encoder.finish()]);
    if how.sentinels {
        // A view has no end of its own: its bytes are those of another value, or of a feed.
        let views = |id: &&NodeId| matches!(&graph.node(**id).kind, Kind::Op { op, .. } if op.is_view());
        for &id in all.iter().filter(|id| !views(id) && compiled.stored(**id)) {
            let bound = compiled.value(graph, id, &around);
            let len = graph.shape(id).elements();
            let copies = if bound.stride > 0 { members } else { 1 };
            let words = gpu.read(&[(&bound.buffer, 0, copies * (padded(len) + guard))])?.remove(0);
            for (m, member) in words.chunks(padded(len) + guard).enumerate() {
                if let Some(at) = member[len..].iter().position(|&w| w != SENTINEL) {
                    let Kind::Op { op, .. } = &graph.node(id).kind else { continue };
                    let message =
                        format!("wrote word {} of member {m}, {at} behind its tensor of {len} elements", len + at);
                    return Err(DeviceError::Kernel { kernel: op.name().into(), message });
                }
            }
        }
    }
    let mut results = Vec::with_capacity(wanted.len());
    for &id in wanted {
        let bound = compiled.value(graph, id, &around);
        let len = graph.shape(id).elements();
        let copies = if bound.stride > 0 { members } else { 1 };
        let parts: Vec<_> = (0..copies).map(|m| (&bound.buffer, bound.offset + m * bound.stride, len)).collect();
        let words = gpu.read(&parts)?;
        let real = graph.node(id).meta.dtype == Dtype::Real;
        results.push(
            words
                .iter()
                .flat_map(|w| if real { to_reals(w) } else { w.iter().map(|&x| f64::from(x)).collect() })
                .collect(),
        );
    }
    gpu.wait(None)?;
    Ok(results)
}

/// The head of the control words: step, cursor, slot, place of the table, members, groups, and the seeds.
pub(super) fn control_words(contexts: &[Context]) -> Vec<u32> {
    let step = contexts[0].step;
    let mut words = vec![step, 0, 0, 8 + 2 * contexts.len() as u32, contexts.len() as u32, 1, 0, 0];
    words.extend(contexts.iter().flat_map(|c| [c.seed as u32, (c.seed >> 32) as u32]));
    words
}

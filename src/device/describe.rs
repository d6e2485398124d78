//! A graph as launches, before any of them has a buffer: what is computed together, in which order, by which kernels.

use super::memory;
use crate::error::GraphError;
use crate::graph::{DynOp, Fused, Fusion, Graph, Kind, NodeId, Scene, Unit, order};
use crate::kernel::{Launch, Launches, Place, Plan};
use crate::{loss, op};

/// Every fusion, in the order in which they may take nodes.
fn fusions() -> impl Iterator<Item = &'static Fusion> {
    loss::FUSIONS.iter().chain(op::FUSIONS)
}

/// The variant that is meant of an op at a place.
pub(super) type Variant<'a> = dyn Fn(&dyn DynOp, &Plan) -> Option<&'static str> + 'a;

/// What the adapter has to say.
pub(super) struct Terms<'a> {
    /// Limits, tiling and abilities; the rest is of no account.
    pub plan: Plan,
    /// Members of the population.
    pub members: u32,
    /// Whether every node is launched by itself.
    pub apart: bool,
    /// The variant that is meant, of those that an op offers at a place.
    pub variant: &'a Variant<'a>,
}

impl Terms<'_> {
    /// The plan for a unit.
    fn plan(&self, inputs: Vec<Place>, mut outputs: Vec<Place>, per_member: bool) -> Plan {
        let output = outputs.remove(0);
        let members = if per_member { self.members } else { 1 };
        Plan { inputs, output, beside: outputs, members, ..self.plan.clone() }
    }
}

/// A unit with its launches; none for a source or a view.
pub(super) struct Described {
    pub unit: Unit,
    pub launches: Option<Launches>,
}

/// The units of `graph` up to `wanted`. `stride` is how far apart the members' values of a node lie.
pub(super) fn describe(
    graph: &Graph,
    wanted: &[NodeId],
    terms: &Terms<'_>,
    stride: &dyn Fn(NodeId) -> usize,
) -> Result<Vec<Described>, GraphError> {
    let (per, roots) = (graph.per_member(), memory::roots(graph));
    let place = |&id: &NodeId| Place { shape: graph.shape(id).clone(), stride: stride(id) };
    let places = |ids: &[NodeId]| ids.iter().map(place).collect::<Vec<_>>();
    let mut scene = Scene::new(graph, wanted);
    let (mut groups, mut joint): (Vec<Fused>, Vec<Launches>) = Default::default();
    let mut units = order(graph, wanted, &[]).unwrap_or_default();
    for fusion in fusions().filter(|_| !terms.apart) {
        for group in (fusion.find)(&scene) {
            let alike = |id: &NodeId| scene.free(*id) && per[id.0] == per[group.outputs[0].0] && roots[id.0] == *id;
            if !group.outputs.iter().all(alike) {
                continue;
            }
            let mut plan = terms.plan(places(&group.inputs), places(&group.outputs), per[group.outputs[0].0]);
            plan.variant = group.like.and_then(|id| match &graph.node(id).kind {
                Kind::Op { op, inputs } => {
                    (terms.variant)(op.as_ref(), &terms.plan(places(inputs), places(&[id]), per[id.0]))
                }
                _ => None,
            });
            let Some(launches) = (group.launches)(&plan)? else { continue };
            groups.push(group);
            match order(graph, wanted, &groups) {
                Some(found) => {
                    units = found;
                    scene.keep(&units);
                    joint.push(launches);
                }
                None => drop(groups.pop()),
            }
        }
    }
    let launches = |unit: &Unit| -> Result<Option<Launches>, GraphError> {
        if let Some(g) = unit.fused {
            return Ok(Some(named(joint[g].clone(), groups[g].name)));
        }
        let id = unit.outputs[0];
        let Kind::Op { op, inputs } = &graph.node(id).kind else { return Ok(None) };
        if roots[id.0] != id {
            return Ok(None);
        }
        let mut plan = terms.plan(places(inputs), places(&[id]), per[id.0]);
        plan.variant = (terms.variant)(op.as_ref(), &plan);
        Ok(Some(named(op.launches(&plan)?, op.name())))
    };
    units.into_iter().map(|unit| Ok(Described { launches: launches(&unit)?, unit })).collect()
}

/// Messages about a kernel say whose it is.
fn named(mut launches: Launches, whose: &str) -> Launches {
    for launch in &mut launches.list {
        if !launch.kernel.name.starts_with(whose) {
            launch.kernel.name = format!("{whose}: {}", launch.kernel.name).into();
        }
    }
    launches
}

/// The launches of a program for members that lie side by side.
pub(super) fn listed(graph: &Graph, wanted: &[NodeId], terms: &Terms<'_>) -> Result<Vec<Launch>, GraphError> {
    let per = graph.per_member();
    let apart =
        |id: NodeId| if per[id.0] && terms.members > 1 { crate::kernel::padded(graph.shape(id).elements()) } else { 0 };
    let all = describe(graph, wanted, terms, &apart)?;
    Ok(all.into_iter().filter_map(|d| d.launches).flat_map(|launches| launches.list).collect())
}

/// The launches of a graph under a plan's limits and tiling, those of groups among them: for the suite that holds every launch to
/// its shader.
///
/// # Errors
///
/// As [`Op::launches`](crate::graph::Op::launches).
#[doc(hidden)]
pub fn launches(graph: &Graph, wanted: &[NodeId], plan: &Plan, members: u32) -> Result<Vec<Launch>, GraphError> {
    let named = |op: &dyn DynOp, at: &Plan| plan.variant.filter(|name| op.variants(at).names.contains(name));
    listed(graph, wanted, &Terms { plan: plan.clone(), members, apart: false, variant: &named })
}

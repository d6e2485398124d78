//! A graph as a fixed list of dispatches, with pipelines, bind groups and uniform blocks made once.

mod describe;

use super::Gpu;
use super::buffer::{Bound, Buffer, Room};
use super::pipeline::{Access, Pipeline};
use crate::device::describe::{self as described, Described};
use crate::device::explain::{LaunchReport, Phase};
use crate::device::memory::{self, Home, Memory, Spot, Terms};
use crate::error::{DeviceError, GraphError};
use crate::graph::{DynOp, Graph, Kind, NodeId};
use crate::kernel::{ALIGN, Binding, Kernel, Launch, Launches, Operand, Plan, Word, padded};
use describe::traffic;

/// One dispatch, ready to encode.
pub(super) struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    groups: [u32; 3],
    /// What it is, for those who ask.
    pub report: LaunchReport,
}

/// Encodes dispatches in order into one pass.
pub(super) fn encode<'a>(pass: &mut wgpu::ComputePass<'_>, list: impl IntoIterator<Item = &'a Dispatch>) {
    for d in list {
        pass.set_pipeline(&d.pipeline);
        pass.set_bind_group(0, &d.group, &[]);
        pass.dispatch_workgroups(d.groups[0], d.groups[1], d.groups[2]);
    }
}

/// A dispatch before its uniform block has a place.
pub(super) struct Draft {
    kernel: Kernel,
    pipeline: Pipeline,
    params: Vec<u32>,
    /// Bindings 1…: buffer, first element, elements.
    ranges: Vec<(Buffer, usize, usize)>,
    groups: [u32; 3],
    report: LaunchReport,
    /// Members that it is for, and the graph's node that it computes.
    members: u32,
    node: Option<NodeId>,
}

/// Collects drafts, then gives all their uniform blocks one buffer.
#[derive(Default)]
pub(super) struct Drafts(Vec<Draft>);

/// What a binding of a hand-made launch shows: a value for all members.
pub(super) struct Shown<'a> {
    pub access: Access,
    pub bound: &'a Bound,
    pub first: usize,
    /// Elements of one member.
    pub len: usize,
}

/// Launches of a program, at most: drivers map memory for each, and the system's maps are some 65,000.
const MOST: usize = 16_384;

impl Drafts {
    /// Adds a launch over `shown`. `words` are the fields of the uniform block.
    pub(super) fn add(
        &mut self,
        gpu: &Gpu,
        kernel: Kernel,
        params: &[(&'static str, Word)],
        shown: &[Shown<'_>],
        groups: [u32; 3],
        members: u32,
    ) -> Result<(), DeviceError> {
        let whole = |s: &Shown<'_>| (members as usize - 1) * s.bound.stride + s.len;
        let fits = shown.iter().all(|s| whole(s) <= gpu.max_elements());
        let access: Vec<Access> = shown.iter().map(|s| s.access).collect();
        let pipeline = gpu.pipeline(&kernel, access)?;
        // Where all members together need more than one binding holds, each gets its own dispatch.
        let runs = if fits || members == 1 { vec![(0, members)] } else { (0..members).map(|m| (m, 1)).collect() };
        for (first_member, count) in runs {
            // Nothing that a binding cannot show goes on: the driver would refuse it in words of its own.
            let limit = gpu.max_elements();
            let longest = shown.iter().map(|s| (count as usize - 1) * s.bound.stride + s.len).max().unwrap_or(0);
            if longest > limit {
                return Err(GraphError::TooLarge { op: kernel.entry, elements: longest, limit }.into());
            }
            let ranges = shown
                .iter()
                .map(|s| {
                    let start = s.bound.offset + s.first + first_member as usize * s.bound.stride;
                    let len = (count as usize - 1) * s.bound.stride + s.len;
                    // Padding belongs to the tensor: vec4 bindings reach into it, and so do the suite's sentinels.
                    let len = (padded(len.max(1)) + s.bound.guard).min(s.bound.buffer.elements() - start);
                    (s.bound.buffer.clone(), start, len)
                })
                .collect();
            let word = |&(name, w): &(&'static str, Word)| if name == "first_member" { first_member } else { w.bits() };
            let groups = [groups[0], groups[1], groups[2] / members * count];
            self.0.push(Draft {
                report: LaunchReport {
                    // Where nobody says otherwise: graphs and the two ends of a step are marked.
                    phase: Phase::Update,
                    name: kernel.title(),
                    of: String::new(),
                    groups,
                    bytes: traffic(shown, count),
                    flops: 0,
                },
                members: count,
                node: None,
                kernel: kernel.clone(),
                pipeline: pipeline.clone(),
                params: params.iter().map(word).collect(),
                ranges,
                groups,
            });
        }
        Ok(())
    }

    /// Adds another list behind this one.
    pub(super) fn append(&mut self, mut more: Self) {
        self.0.append(&mut more.0);
    }

    /// Adds the launches of a unit.
    #[expect(clippy::too_many_arguments, reason = "each is a different thing a launch is made of")]
    pub(super) fn add_op(
        &mut self,
        gpu: &Gpu,
        launches: Launches,
        inputs: &[(Bound, usize)],
        outputs: &[Bound],
        scratch: &[Bound],
        control: &Bound,
        members: u32,
    ) -> Result<(), DeviceError> {
        for Launch { kernel, params, bindings, groups, flops } in launches.list {
            let nothing = |b: &Binding| matches!(b, Binding::Write(w) if w.len == 0);
            if bindings.iter().any(nothing) {
                continue;
            }
            let place = |operand| match operand {
                Operand::Input(n) => &inputs[n].0,
                Operand::Output => &outputs[0],
                Operand::Beside(n) => &outputs[n + 1],
                Operand::Scratch(n) => &scratch[n],
            };
            let shown: Vec<Shown<'_>> = bindings
                .iter()
                .map(|b| match b {
                    Binding::Read(w) => {
                        Shown { access: Access::Read, bound: place(w.operand), first: w.offset, len: w.len }
                    }
                    Binding::Write(w) => {
                        Shown { access: Access::Write, bound: place(w.operand), first: w.offset, len: w.len }
                    }
                    Binding::Control => {
                        Shown { access: Access::Read, bound: control, first: 0, len: 8 + 2 * members as usize }
                    }
                })
                .collect();
            let from = self.0.len();
            self.add(gpu, kernel, &params, &shown, groups, members)?;
            let operands: Vec<Shown<'_>> = shown
                .into_iter()
                .zip(&bindings)
                .filter_map(|(shown, binding)| (*binding != Binding::Control).then_some(shown))
                .collect();
            for draft in &mut self.0[from..] {
                draft.report.bytes = traffic(&operands, draft.members);
                draft.report.flops = flops * u64::from(draft.members);
            }
        }
        Ok(())
    }

    /// Makes bind groups; every launch's uniform block lies in one buffer.
    pub(super) fn finish(self, gpu: &Gpu) -> Result<Vec<Dispatch>, DeviceError> {
        if self.0.len() > MOST {
            return Err(DeviceError::Feed {
                name: "a step".into(),
                expected: format!("at most {MOST} launches: fewer members, or a smaller model"),
                found: format!("{}, since the bindings of this adapter do not show all members at once", self.0.len()),
            });
        }
        let words = |d: &Draft| d.params.len().max(1).div_ceil(4) * 4;
        let total: usize = self.0.iter().map(|d| padded(words(d))).sum();
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let uniforms = gpu.allocate("uniform blocks", (total.max(ALIGN) * 4) as u64, usage)?;
        let mut content = vec![0u32; total];
        let mut at = 0;
        let mut list = Vec::with_capacity(self.0.len());
        let device = &gpu.shared.device;
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        for draft in self.0 {
            content[at..at + draft.params.len()].copy_from_slice(&draft.params);
            let size = |elements: usize| std::num::NonZeroU64::new(elements as u64 * 4);
            let binding = |buffer, offset: usize, len| {
                wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer,
                    offset: offset as u64 * 4,
                    size: size(len),
                })
            };
            let block = binding(&uniforms.raw, at, words(&draft));
            let rest = draft.ranges.iter().map(|(b, first, len)| binding(&b.raw, *first, *len));
            let entries: Vec<_> = std::iter::once(block)
                .chain(rest)
                .enumerate()
                .map(|(i, resource)| wgpu::BindGroupEntry { binding: i as u32, resource })
                .collect();
            let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(&draft.kernel.name),
                layout: &draft.pipeline.layout,
                entries: &entries,
            });
            at += padded(words(&draft));
            list.push(Dispatch { pipeline: draft.pipeline.raw, group, groups: draft.groups, report: draft.report });
        }
        if let Some(error) = pollster::block_on(scope.pop()) {
            return Err(DeviceError::Driver { adapter: gpu.name(), message: error.to_string() });
        }
        gpu.write(&uniforms, 0, &content);
        Ok(list)
    }
}

/// What surrounds a graph on the device.
pub(super) struct Surroundings<'a> {
    /// Members of the population.
    pub members: u32,
    /// Elements of sentinel behind each computed value.
    pub guard: usize,
    /// Where a parameter, input or setting lies.
    pub source: &'a dyn Fn(NodeId) -> Bound,
    /// Where a value must go that is not left to the planner.
    pub pinned: &'a dyn Fn(NodeId) -> Option<Bound>,
    /// The control words.
    pub control: &'a Bound,
}

/// A graph with buffers, and its launches as drafts.
pub(super) struct Compiled {
    pub drafts: Drafts,
    memory: Memory,
    slots: Vec<Buffer>,
}

/// Plans buffers for `graph` up to `wanted`, takes them of `room`, and drafts all launches.
pub(super) fn compile(
    gpu: &Gpu,
    graph: &Graph,
    wanted: &[NodeId],
    around: &Surroundings<'_>,
    room: &mut Room,
) -> Result<Compiled, DeviceError> {
    let per = graph.per_member();
    let members = around.members as usize;
    let stride = |len: usize, per: bool| if per && members > 1 { padded(len) + around.guard } else { 0 };
    let size = |len: usize, per: bool| (padded(len) + around.guard) * if per { members } else { 1 };
    let roots = memory::roots(graph);
    super::tuning::settle(gpu, graph, &graph.live(wanted))?;
    let place_stride = |id: NodeId| {
        let root = roots[id.0];
        match graph.node(root).kind {
            Kind::Op { .. } => match (around.pinned)(root) {
                Some(bound) => bound.stride,
                None => stride(graph.shape(root).elements(), per[root.0]),
            },
            _ => (around.source)(root).stride,
        }
    };
    let variant = |op: &dyn DynOp, plan: &Plan| gpu.variant(op, plan);
    let described = described::describe(graph, wanted, &gpu.terms(around.members, &variant), &place_stride)?;
    let scratch = |u: usize| {
        let Described { unit, launches } = &described[u];
        let per = per[unit.outputs[0].0];
        launches.iter().flat_map(|l| &l.scratch).map(|&n| size(n, per)).collect()
    };
    let pin = |id: NodeId| (around.pinned)(id).map(|_| id.0);
    let units: Vec<_> = described.iter().map(|d| d.unit.clone()).collect();
    let whole = |id: NodeId| size(graph.shape(id).elements(), per[id.0]);
    let held = room.sizes();
    let terms = Terms { held: &held, most: gpu.max_buffer(), recycle: around.guard == 0 };
    let memory = memory::plan(graph, &units, wanted, whole, scratch, pin, &terms);
    let slots = room.grown(gpu, "values of the model", &memory.slots)?;
    let mut compiled = Compiled { drafts: Drafts::default(), memory, slots };
    for (u, Described { unit, launches }) in described.into_iter().enumerate() {
        let Some(launches) = launches else { continue };
        let place = |&id: &NodeId| compiled.bound(id, place_stride(id), around);
        let args: Vec<(Bound, usize)> = unit.inputs.iter().map(|id| (place(id), graph.shape(*id).elements())).collect();
        let outputs: Vec<Bound> = unit.outputs.iter().map(place).collect();
        let varies = per[unit.outputs[0].0];
        let borrowed: Vec<Bound> = compiled.memory.scratch[u]
            .iter()
            .zip(&launches.scratch)
            .map(|(place, &len)| Bound {
                buffer: compiled.slots[place.slot].clone(),
                offset: place.offset,
                // What the op was told, sentinels or not: launches over all members and over one must agree.
                stride: if varies && around.members > 1 { padded(len) } else { 0 },
                guard: 0,
            })
            .collect();
        let count = if varies { around.members } else { 1 };
        let from = compiled.drafts.len();
        compiled.drafts.add_op(gpu, launches, &args, &outputs, &borrowed, around.control, count)?;
        compiled.drafts.describe(from, graph, &unit);
    }
    Ok(compiled)
}

impl Compiled {
    /// Where a value lies.
    fn bound(&self, id: NodeId, stride: usize, around: &Surroundings<'_>) -> Bound {
        let root = self.memory.roots[id.0];
        match self.memory.homes[root.0] {
            Home::Slot(Spot { slot, offset }) => {
                Bound { buffer: self.slots[slot].clone(), offset, stride, guard: around.guard }
            }
            Home::Pinned(_) => (around.pinned)(root).expect("the planner pins only what is given a place"),
            Home::Source | Home::Dead => (around.source)(root),
        }
    }

    /// Where a wanted value lies.
    pub(super) fn value(&self, graph: &Graph, id: NodeId, around: &Surroundings<'_>) -> Bound {
        let root = self.memory.roots[id.0];
        let varies = graph.per_member()[root.0] && around.members > 1;
        let stride = if varies { padded(graph.shape(root).elements()) + around.guard } else { 0 };
        self.bound(id, stride, around)
    }

    /// Elements that the values in slots take at once, at the least.
    pub(super) fn floor(&self) -> usize {
        self.memory.floor
    }

    /// Whether a value is computed and kept, until something else needs its place.
    pub(super) fn stored(&self, id: NodeId) -> bool {
        self.memory.homes[self.memory.roots[id.0].0] != Home::Dead
    }

    /// Every slot, for filling with sentinels.
    pub(super) fn slots(&self) -> &[Buffer] {
        &self.slots
    }
}

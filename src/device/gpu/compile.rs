//! A graph as a fixed list of dispatches, with pipelines, bind groups and uniform blocks made once.

use super::Gpu;
use super::buffer::{Bound, Buffer};
use super::pipeline::{Access, Pipeline};
use crate::device::memory::{self, Home, Memory};
use crate::error::{DeviceError, GraphError};
use crate::graph::{DynOp, Graph, Kind, NodeId};
use crate::kernel::{ALIGN, Binding, Kernel, Launch, Launches, Operand, Place, Word, padded};

/// One dispatch, ready to encode.
pub(super) struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    groups: [u32; 3],
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
            self.0.push(Draft {
                kernel: kernel.clone(),
                pipeline: pipeline.clone(),
                params: params.iter().map(word).collect(),
                ranges,
                groups: [groups[0], groups[1], groups[2] / members * count],
            });
        }
        Ok(())
    }

    /// Adds another list behind this one.
    pub(super) fn append(&mut self, mut more: Self) {
        self.0.append(&mut more.0);
    }

    /// Adds an op's launches.
    #[expect(clippy::too_many_arguments, reason = "each is a different thing a launch is made of")]
    pub(super) fn add_op(
        &mut self,
        gpu: &Gpu,
        launches: Launches,
        inputs: &[(Bound, usize)],
        output: &Bound,
        scratch: &[Bound],
        control: &Bound,
        members: u32,
    ) -> Result<(), DeviceError> {
        for Launch { kernel, params, bindings, groups, .. } in launches.list {
            let nothing = |b: &Binding| matches!(b, Binding::Write(w) if w.len == 0);
            if bindings.iter().any(nothing) {
                continue;
            }
            let place = |operand| match operand {
                Operand::Input(n) => &inputs[n].0,
                Operand::Output => output,
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
            self.add(gpu, kernel, &params, &shown, groups, members)?;
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
            list.push(Dispatch { pipeline: draft.pipeline.raw, group, groups: draft.groups });
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

/// Plans buffers for `graph` up to `wanted` and drafts all launches.
pub(super) fn compile(
    gpu: &Gpu,
    graph: &Graph,
    wanted: &[NodeId],
    around: &Surroundings<'_>,
) -> Result<Compiled, DeviceError> {
    let per = graph.per_member();
    let members = around.members as usize;
    let stride = |len: usize, per: bool| if per && members > 1 { padded(len) + around.guard } else { 0 };
    let size = |len: usize, per: bool| (padded(len) + around.guard) * if per { members } else { 1 };
    let roots = memory::roots(graph);
    let live = graph.live(wanted);
    super::tuning::settle(gpu, graph, &live)?;
    let mut described: Vec<Option<Launches>> = vec![None; graph.nodes().len()];
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
    for (i, node) in graph.nodes().iter().enumerate() {
        if let (Kind::Op { op, inputs }, true) = (&node.kind, live[i] && roots[i].0 == i) {
            let place = |id: NodeId| Place { shape: graph.shape(id).clone(), stride: place_stride(id) };
            let places = inputs.iter().map(|&id| place(id)).collect();
            let mut plan = gpu.plan(places, place(NodeId(i)), if per[i] { around.members } else { 1 });
            plan.variant = gpu.variant(op.as_ref(), &plan);
            described[i] = Some(op.launches(&plan)?);
        }
    }
    let scratch = |id: NodeId| {
        let launches = described[id.0].as_ref();
        launches.map_or(Vec::new(), |l| l.scratch.iter().map(|&n| size(n, per[id.0])).collect())
    };
    let pin = |id: NodeId| (around.pinned)(id).map(|_| id.0);
    let memory =
        memory::plan(graph, wanted, |id| size(graph.shape(id).elements(), per[id.0]), scratch, pin, around.guard == 0);
    let slots: Vec<Buffer> =
        memory.slots.iter().map(|&n| gpu.storage("values of the model", n)).collect::<Result<_, _>>()?;
    let mut compiled = Compiled { drafts: Drafts::default(), memory, slots };
    for (i, launches) in described.into_iter().enumerate() {
        let (Some(launches), Kind::Op { inputs, op }) = (launches, &graph.nodes()[i].kind) else { continue };
        let args: Vec<(Bound, usize)> = inputs
            .iter()
            .map(|&id| (compiled.bound(id, place_stride(id), around), graph.shape(id).elements()))
            .collect();
        let output = compiled.bound(NodeId(i), place_stride(NodeId(i)), around);
        let members = if per[i] { around.members } else { 1 };
        let borrowed: Vec<Bound> = compiled.memory.scratch[i]
            .iter()
            .zip(&launches.scratch)
            .map(|(&slot, &len)| Bound {
                buffer: compiled.slots[slot].clone(),
                offset: 0,
                // What the op was told, sentinels or not: launches over all members and over one must agree.
                stride: if per[i] && around.members > 1 { padded(len) } else { 0 },
                guard: 0,
            })
            .collect();
        let named = name_launches(launches, op.as_ref());
        compiled.drafts.add_op(gpu, named, &args, &output, &borrowed, around.control, members)?;
    }
    Ok(compiled)
}

/// Messages about a kernel say whose it is.
fn name_launches(mut launches: Launches, op: &dyn DynOp) -> Launches {
    for launch in &mut launches.list {
        if !launch.kernel.name.starts_with(op.name()) {
            launch.kernel.name = format!("{}: {}", op.name(), launch.kernel.name).into();
        }
    }
    launches
}

impl Compiled {
    /// Where a value lies.
    fn bound(&self, id: NodeId, stride: usize, around: &Surroundings<'_>) -> Bound {
        let root = self.memory.roots[id.0];
        match self.memory.homes[root.0] {
            Home::Slot(slot) => Bound { buffer: self.slots[slot].clone(), offset: 0, stride, guard: around.guard },
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

    /// Every slot, for filling with sentinels.
    pub(super) fn slots(&self) -> &[Buffer] {
        &self.slots
    }
}

//! One training or evaluation step as dispatches: minibatch, the graph, update, record.

use super::super::buffer::{Bound, Room};
use super::super::compile::{Drafts, Surroundings, compile};
use super::super::tuning::classes;
use super::data::{Extent, Part};
use super::{GpuEngine, Program, kernels};
use crate::device::engine::{self, DataId, StepGraph};
use crate::device::explain::{Phase, places};
use crate::device::memory;
use crate::error::DeviceError;
use crate::graph::{Graph, Kind, NodeId};
use crate::kernel::{ALIGN, fold};

impl GpuEngine {
    /// Compiles a step in the engine's room. Where it fails, what it had added is given back.
    pub(super) fn compile_step(&mut self, step: &StepGraph, data: DataId) -> Result<Program, DeviceError> {
        let (mut room, mut minibatches) = (std::mem::take(&mut self.room), std::mem::take(&mut self.minibatches));
        let before = [room.count(), minibatches.count()];
        let compiled = self.compile_within(step, data, [&mut room, &mut minibatches]);
        if compiled.is_err() {
            room.shrink(before[0]);
            minibatches.shrink(before[1]);
        }
        (self.room, self.minibatches) = (room, minibatches);
        compiled
    }

    fn compile_within(
        &mut self,
        step: &StepGraph,
        data: DataId,
        [room, minibatches]: [&mut Room; 2],
    ) -> Result<Program, DeviceError> {
        let (graph, members) = (&step.graph, self.setup.seeds.len());
        engine::check_step(step, &self.setup)?;
        engine::check_data(data, self.data.len())?;
        let set = &mut self.data[data.0];
        let kind = |column: &Extent| (column.values, column.dtype);
        engine::check_columns(step, set.rows, kind(&set.features), kind(&set.targets))?;
        let (batch, rows) = (graph.shape(step.features)[0], set.rows);
        set.prepare(&self.gpu, batch)?;
        let taken = [step.features, step.targets].map(|id| graph.shape(id).elements());
        let taken = minibatches.buffers(&self.gpu, "minibatch", &taken)?;
        let [features, targets] = [0, 1].map(|n| Bound::whole(taken[n].clone()));
        self.make_settings(graph)?;
        let results = || step.record.iter().chain(&step.gradients).chain(&step.updates).flatten().copied();
        let wanted: Vec<NodeId> = results().collect();
        let (direct, moved) = direct(graph, &wanted, step);
        let flat = |buffer: &super::Buffer, tensor: usize| Bound {
            buffer: buffer.clone(),
            offset: self.offsets[tensor],
            stride: if members > 1 { self.total } else { 0 },
            guard: 0,
        };
        let kept = |buffer: &super::Buffer, n: usize| Bound {
            buffer: buffer.clone(),
            offset: self.kept.offsets[n],
            stride: if members > 1 { self.kept.total } else { 0 },
            guard: 0,
        };
        let per = graph.per_member();
        let roots = memory::roots(graph);
        let recorded = step.record.map(|id| id.map(|id| roots[id.0]));
        let scalar = |n: usize| {
            let varies = members > 1 && recorded[n].is_some_and(|id| per[id.0]);
            Bound { stride: if varies { ALIGN } else { 0 }, ..Bound::whole(self.scalars[n].clone()) }
        };
        let source = |id: NodeId| match &graph.node(id).kind {
            _ if id == step.features => features.clone(),
            _ if id == step.targets => targets.clone(),
            Kind::Parameter { name } => flat(&self.parameters, self.tensor(name)),
            Kind::Buffer { name } => kept(&self.kept.now, self.kept_place(name)),
            Kind::Setting { name, .. } => self.settings[name].clone(),
            _ => unreachable!("a step has no inputs but features and targets: checked above"),
        };
        let pinned = |id: NodeId| {
            let place = |nodes: &[Option<NodeId>]| nodes.iter().position(|d| *d == Some(id));
            let gradient = place(&direct).map(|t| flat(&self.gradients, t));
            let moved = || place(&moved).map(|n| kept(&self.kept.next, n));
            gradient.or_else(moved).or_else(|| place(&recorded).map(scalar))
        };
        let control = Bound::whole(self.control.clone());
        let around =
            Surroundings { members: members as u32, guard: 0, source: &source, pinned: &pinned, control: &control };

        let set = &self.data[data.0];
        let order = Bound::whole(set.order.clone());
        let mut taking = Vec::with_capacity(set.tables.len());
        for table in &set.tables {
            let mut drafts = Drafts::default();
            let widths = [set.features, set.targets].map(|column| column.values / rows.max(1));
            let columns = [(&table.features[..], &features), (&table.targets[..], &targets)];
            self.minibatch(&mut drafts, columns, [&order, &control], (batch, table.rows, widths))?;
            drafts.mark(0, Phase::Minibatch);
            taking.push(drafts.finish(&self.gpu)?);
        }
        let mut all = Drafts::default();
        let mut compiled = compile(&self.gpu, graph, &wanted, &around, room)?;
        let places = places(step);
        compiled.drafts.mark_nodes(|id, report| places[id.0].tell(report, &self.setup.tensors));
        all.append(std::mem::take(&mut compiled.drafts));
        let copies = all.len();
        for (tensor, gradient) in step.gradients.iter().enumerate() {
            let (Some(gradient), None) = (gradient, direct[tensor]) else { continue };
            let (from, to) = (compiled.value(graph, *gradient, &around), flat(&self.gradients, tensor));
            self.copy(&mut all, &from, &to, self.setup.tensors[tensor].shape.elements())?;
        }
        // Before the update: what becomes of a buffer may be a parameter as this step had it.
        for (n, next) in step.updates.iter().enumerate() {
            let (Some(next), None) = (next, moved[n]) else { continue };
            let (from, to) = (compiled.value(graph, *next, &around), kept(&self.kept.next, n));
            self.copy(&mut all, &from, &to, self.setup.buffers[n].shape.elements())?;
        }
        all.mark(copies, Phase::Backward);
        let trains = !step.gradients.is_empty();
        let mut end = Drafts::default();
        self.keep(&mut end, &step.updates, kept)?;
        let scalars = step.record.map(|id| id.map(|id| compiled.value(graph, id, &around)));
        self.record(&mut end, scalars, &control, batch, trains)?;
        end.mark(0, Phase::Record);
        let mut program = Program {
            data: data.0,
            taking,
            graph: Vec::new(),
            parts: Default::default(),
            update: Default::default(),
            end: end.finish(&self.gpu)?,
            floor: compiled.floor(),
            extent: engine::Extent { batch, rows, trains },
            recorded: step.record.map(|id| id.is_some()),
        };
        if trains {
            if self.setup.rule.trust_ratio() || self.setup.update.transform.is_some() {
                self.no_old_directions(&mut all, &step.gradients)?;
            }
            program.parts = self.parts(&control)?;
            program.update = self.updates(&control)?;
        }
        program.graph = all.finish(&self.gpu)?;
        let met: Vec<String> = classes(&self.gpu, graph, &graph.live(&wanted)).collect();
        self.classes.extend(met);
        Ok(program)
    }

    fn tensor(&self, name: &str) -> usize {
        self.setup.tensors.iter().position(|t| t.name == name).expect("same_tensors found each name")
    }

    fn kept_place(&self, name: &str) -> usize {
        self.setup.buffers.iter().position(|t| t.name == name).expect("same_tensors found each name")
    }

    /// What the step made of the buffers becomes what they are, after everything has read what they were: one launch where
    /// all of them change.
    fn keep(
        &self,
        all: &mut Drafts,
        updates: &[Option<NodeId>],
        kept: impl Fn(&super::Buffer, usize) -> Bound,
    ) -> Result<(), DeviceError> {
        let (next, now) = (&self.kept.next, &self.kept.now);
        if !updates.is_empty() && updates.iter().all(Option::is_some) {
            return self.copy(all, &kept(next, 0), &kept(now, 0), self.kept.total);
        }
        for n in (0..updates.len()).filter(|&n| updates[n].is_some()) {
            self.copy(all, &kept(next, n), &kept(now, n), self.setup.buffers[n].shape.elements())?;
        }
        Ok(())
    }

    /// One buffer a setting, shared by all programs. Members lie as far apart as bindings may begin: each may get one of
    /// its own.
    fn make_settings(&mut self, graph: &Graph) -> Result<(), DeviceError> {
        let members = self.setup.seeds.len();
        for (name, id) in graph.settings() {
            let Kind::Setting { value, .. } = graph.node(id).kind else { continue };
            if !self.settings.contains_key(name) {
                let buffer = self.gpu.storage("settings", members * ALIGN)?;
                for m in 0..members {
                    let own = self.given.get(&(name.to_owned(), m)).copied().unwrap_or(value as f32);
                    self.gpu.write(&buffer, m * ALIGN, &[own.to_bits(); ALIGN]);
                }
                let stride = if members > 1 { ALIGN } else { 0 };
                self.settings.insert(name.into(), Bound { buffer, offset: 0, stride, guard: 0 });
            }
        }
        Ok(())
    }

    pub(super) fn linear(&self, count: usize, members: u32) -> [u32; 3] {
        let [x, y] = fold(count.div_ceil(64), self.gpu.max_groups());
        [x, y, members]
    }

    /// The rows of a minibatch of both columns: one launch where a binding shows each column, one a part and window elsewhere.
    fn minibatch(
        &self,
        all: &mut Drafts,
        columns: [(&[Part], &Bound); 2],
        [order, control]: [&Bound; 2],
        (batch, rows, widths): (usize, usize, [usize; 2]),
    ) -> Result<(), DeviceError> {
        let all_words = (control, 0, control.buffer.elements());
        let whole = widths.iter().all(|&width| width > 0 && batch * width <= self.gpu.max_elements());
        if let ([([features], to), ([targets], to_targets)], true) = (columns, whole) {
            let (own, invocations) = kernels::minibatch_whole(batch, widths);
            let [width, target_width] = widths;
            let shown = own.shown([
                all_words,
                (order, 0, rows),
                (&features.bound, 0, features.rows * width),
                (&targets.bound, 0, targets.rows * target_width),
                (to, 0, batch * width),
                (to_targets, 0, batch * target_width),
            ]);
            all.add(&self.gpu, own.kernel, &own.params, &shown, self.linear(invocations, 1), 1)?;
            all.moves(0, 4 * (2 * batch * (width + target_width) + batch));
            return Ok(());
        }
        for ((parts, to), width) in columns.into_iter().zip(widths) {
            for part in parts {
                for (first, len) in self.windows(batch * width) {
                    let own = kernels::minibatch(first, len, width, part.first_row, part.rows);
                    let table = (&part.bound, 0, part.rows * width);
                    let shown = own.shown([all_words, (order, 0, rows), table, (to, first, len)]);
                    let from = all.len();
                    all.add(&self.gpu, own.kernel, &own.params, &shown, self.linear(len, 1), 1)?;
                    // Of several parts each has its share of the rows, wherever they fall.
                    all.moves(from, 4 * (2 * len + len / width.max(1)) / parts.len());
                }
            }
        }
        Ok(())
    }

    pub(super) fn copy(&self, all: &mut Drafts, from: &Bound, to: &Bound, len: usize) -> Result<(), DeviceError> {
        let members = self.setup.seeds.len() as u32;
        for (first, len) in self.windows(len) {
            let own = kernels::copy(len, from.stride, to.stride);
            let shown = own.shown([(from, first, len), (to, first, len)]);
            all.add(&self.gpu, own.kernel, &own.params, &shown, self.linear(len, members), members)?;
        }
        Ok(())
    }

    /// `len` elements cut where a binding ends: `(first, count)`.
    pub(super) fn windows(&self, len: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let most = self.gpu.max_elements();
        (0..len).step_by(most).map(move |first| (first, most.min(len - first)))
    }

    fn record(
        &self,
        all: &mut Drafts,
        scalars: [Option<Bound>; 4],
        control: &Bound,
        rows: usize,
        advance: bool,
    ) -> Result<(), DeviceError> {
        let members = self.setup.seeds.len();
        let loss = scalars[0].clone().expect("a step records its loss");
        let [a, b, c, d] = scalars.map(|s| s.unwrap_or_else(|| loss.clone()));
        let own = kernels::record(members, rows, advance, [a.stride, b.stride, c.stride, d.stride]);
        let ring = Bound::whole(self.ring.clone());
        let words = (control, 0, control.buffer.elements());
        let scalar = |place: &Bound| (members - 1) * place.stride + 1;
        let shown = own.shown([
            words,
            (&ring, 0, ring.buffer.elements()),
            (&a, 0, scalar(&a)),
            (&b, 0, scalar(&b)),
            (&c, 0, scalar(&c)),
            (&d, 0, scalar(&d)),
        ]);
        let from = all.len();
        all.add(&self.gpu, own.kernel, &own.params, &shown, [1, 1, 1], 1)?;
        all.moves(from, 2 * 4 * super::RECORDED * members);
        Ok(())
    }
}

/// For each tensor the node that may write its gradient straight into the flat buffer, and for each buffer the one that may
/// write what becomes of it: computed for this place alone and read by no other op, for a kernel cannot read and write one
/// buffer. The others are copied.
fn direct(graph: &Graph, wanted: &[NodeId], step: &StepGraph) -> (Vec<Option<NodeId>>, Vec<Option<NodeId>>) {
    let roots = memory::roots(graph);
    let live = graph.live(wanted);
    let mut readers = vec![0; graph.nodes().len()];
    for (i, node) in graph.nodes().iter().enumerate().filter(|(i, _)| live[*i]) {
        for input in node.inputs().iter().filter(|_| roots[i].0 == i) {
            readers[roots[input.0].0] += 1;
        }
    }
    for id in wanted {
        readers[roots[id.0].0] += 1;
    }
    // What all members share is computed once, and each member's place needs a copy.
    let per = graph.per_member();
    let alone = |id: NodeId| per[id.0] && readers[id.0] == 1 && matches!(graph.node(id).kind, Kind::Op { .. });
    let places =
        |nodes: &[Option<NodeId>]| nodes.iter().map(|n| n.map(|id| roots[id.0]).filter(|&root| alone(root))).collect();
    (places(&step.gradients), places(&step.updates))
}

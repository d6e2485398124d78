//! Gradients that become directions by a graph, between their clipping and the update.

use super::super::buffer::{Bound, Buffer, Room, to_reals, to_words};
use super::super::compile::{Dispatch, Drafts, Shown, Surroundings, compile};
use super::super::pipeline::Access;
use super::{GpuEngine, laid_out};
use crate::device::engine::{self, NUMBERS, Transform};
use crate::error::DeviceError;
use crate::graph::NodeId;
use crate::kernel::{ALIGN, Kernel, wgsl};

/// The graph's launches and what it keeps.
#[derive(Default)]
pub(super) struct Turning {
    pub list: Vec<Dispatch>,
    /// Elements that its values take at once, at the least.
    pub floor: usize,
    states: Option<Flat>,
}

impl Turning {
    /// The buffer of its states, where it has some.
    pub fn states(&self) -> Option<&Buffer> {
        self.states.as_ref().map(|flat| &flat.buffer)
    }
}

/// The states of all members, flat as the parameters are.
pub(super) struct Flat {
    pub buffer: Buffer,
    tensors: Vec<engine::Tensor>,
    offsets: Vec<usize>,
    total: usize,
}

impl GpuEngine {
    /// Compiles the setup's transformation, if there is one: clipping, the graph, and its results where the update looks.
    pub(super) fn turning(&self, room: &mut Room) -> Result<Turning, DeviceError> {
        let Some(transform) = &self.setup.update.transform else { return Ok(Turning::default()) };
        let members = self.setup.seeds.len();
        let tensors = transform.states();
        let (offsets, total) = laid_out(&tensors);
        let states = self.gpu.storage("states of whole tensors", total * members)?;
        let places = self.tables.groups * NUMBERS;
        let numbers = self.gpu.storage("numbers of the step", places * members * ALIGN)?;
        let control = Bound::whole(self.control.clone());
        let mut all = Drafts::default();
        self.clip_in_place(&mut all, &control)?;
        let kernel = Kernel::new("numbers", wgsl!("device/numbers", "lib/control", "lib/grid"), "numbers");
        let to = Bound::whole(numbers.clone());
        let shown = [(Access::Read, &control), (Access::Write, &to)];
        let shown = shown.map(|(access, bound)| Shown { access, bound, first: 0, len: bound.buffer.elements() });
        let groups = self.linear(places, members as u32);
        let from = all.len();
        all.add(&self.gpu, kernel, &[("count", places.into())], &shown, groups, 1)?;
        all.moves(from, 2 * 4 * places * members);
        let apart = |elements: usize| if members > 1 { elements } else { 0 };
        let held = |n: usize| Bound { buffer: states.clone(), offset: offsets[n], stride: apart(total), guard: 0 };
        let source = |id: NodeId| self.operand(transform, id, &held, &numbers, apart(places * ALIGN));
        let pinned = |_: NodeId| None;
        let around =
            Surroundings { members: members as u32, guard: 0, source: &source, pinned: &pinned, control: &control };
        let mut compiled = compile(&self.gpu, &transform.graph, &transform.wanted(), &around, room)?;
        all.append(std::mem::take(&mut compiled.drafts));
        // After the whole graph, which reads what these replace.
        for turned in &transform.tensors {
            let from = compiled.value(&transform.graph, turned.direction, &around);
            let to = Bound { offset: self.offsets[turned.tensor], ..self.flat(&self.gradients) };
            self.copy(&mut all, &from, &to, self.setup.tensors[turned.tensor].shape.elements())?;
        }
        for (n, kept) in transform.states.iter().enumerate() {
            let from = compiled.value(&transform.graph, kept.next, &around);
            self.keep_state(&mut all, &control, [&from, &held(n)], kept.tensor.shape.elements())?;
        }
        let list = all.finish(&self.gpu)?;
        let floor = compiled.floor();
        Ok(Turning {
            list,
            floor,
            states: Some(Flat { buffer: states.clone(), tensors, offsets: offsets.clone(), total }),
        })
    }

    /// A state's next numbers, for the members that are updated: others stay as they are.
    fn keep_state(
        &self,
        all: &mut Drafts,
        control: &Bound,
        [from, to]: [&Bound; 2],
        len: usize,
    ) -> Result<(), DeviceError> {
        let members = self.setup.seeds.len() as u32;
        for (first, len) in self.windows(len) {
            let kernel = Kernel::new("kept", wgsl!("optim/kept", "lib/control", "lib/grid"), "kept");
            let params = [
                ("len", len.into()),
                ("x_stride", from.stride.into()),
                ("y_stride", to.stride.into()),
                ("first_member", 0_u32.into()),
            ];
            let shown = [
                Shown { access: Access::Read, bound: control, first: 0, len: control.buffer.elements() },
                Shown { access: Access::Read, bound: from, first, len },
                Shown { access: Access::Write, bound: to, first, len },
            ];
            let from_here = all.len();
            all.add(&self.gpu, kernel, &params, &shown, self.linear(len, members), members)?;
            all.moves(from_here, 2 * 4 * len);
        }
        Ok(())
    }

    /// Where an input of the graph lies.
    fn operand(
        &self,
        transform: &Transform,
        id: NodeId,
        held: &dyn Fn(usize) -> Bound,
        numbers: &Buffer,
        stride: usize,
    ) -> Bound {
        if let Some(n) = transform.states.iter().position(|kept| kept.now == id) {
            return held(n);
        }
        for turned in &transform.tensors {
            let place = |buffer: &Buffer| Bound { offset: self.offsets[turned.tensor], ..self.flat(buffer) };
            if turned.gradient == id {
                return place(&self.gradients);
            }
            if turned.parameter == id {
                return place(&self.parameters);
            }
            if let Some(n) = turned.numbers.iter().position(|&number| number == id) {
                let offset = (turned.group * NUMBERS + n) * ALIGN;
                return Bound { buffer: numbers.clone(), offset, stride, guard: 0 };
            }
        }
        unreachable!("a transformation has no inputs but its tensors', states and numbers")
    }

    pub(super) fn read_turning(&self, member: usize) -> Result<Vec<Vec<f64>>, DeviceError> {
        let Some(states) = &self.turning.states else { return Ok(Vec::new()) };
        let part = |(offset, t): (&usize, &engine::Tensor)| {
            (&states.buffer, member * states.total + offset, t.shape.elements())
        };
        let parts: Vec<_> = states.offsets.iter().zip(&states.tensors).map(part).collect();
        Ok(self.gpu.read(&parts)?.iter().map(|words| to_reals(words)).collect())
    }

    pub(super) fn write_turning(&self, member: usize, values: &[Vec<f64>]) -> Result<(), DeviceError> {
        let Some(states) = &self.turning.states else { return engine::check_values("tensor states", &[], values) };
        engine::check_values("tensor states", &states.tensors, values)?;
        for (offset, values) in states.offsets.iter().zip(values) {
            self.gpu.write(&states.buffer, member * states.total + offset, &to_words(values));
        }
        self.gpu.health()
    }
}

//! The update: one launch for all tensors, and what clipping, trust ratios, accumulation and telemetry need around it.

use super::super::buffer::{Bound, Buffer, to_reals, to_words};
use super::super::compile::{Dispatch, Drafts, Shown};
use super::super::pipeline::Access;
use super::GpuEngine;
use crate::device::engine::{Call, Telemetry};
use crate::error::DeviceError;
use crate::graph::NodeId;
use crate::kernel::{Kernel, fold, wgsl};
use crate::optim::{
    ACTIVE, Block, Clip, FROZEN, Lanes, NO_FLAG, Span, Storage, WORK_WORDS, link, link_apply, link_gradients,
    link_tensors,
};

/// Words of telemetry a tensor.
pub(super) const TOLD: usize = 8;

/// The launches of an update, with and without telemetry.
#[derive(Default)]
pub(super) struct Lists {
    pub plain: Vec<Dispatch>,
    pub told: Vec<Dispatch>,
}

impl GpuEngine {
    /// The workgroup that takes a block.
    fn lanes(&self) -> Lanes {
        Lanes::of(self.gpu.tiling(), &self.gpu.abilities())
    }

    pub(super) fn flat(&self, buffer: &Buffer) -> Bound {
        let stride = if self.setup.seeds.len() > 1 { self.total } else { 0 };
        Bound { buffer: buffer.clone(), offset: 0, stride, guard: 0 }
    }

    /// The launches over blocks, in as many as the bindings ask for.
    fn over_blocks(
        &self,
        all: &mut Drafts,
        kernel: &Kernel,
        buffers: &[(Access, &Buffer)],
        states: bool,
        control: &Bound,
    ) -> Result<(), DeviceError> {
        let members = self.setup.seeds.len() as u32;
        let kernel = kernel.clone().constant("WORKGROUP", self.lanes().count() as f64);
        let work = Bound::whole(self.work.clone());
        let flats: Vec<(Access, Bound)> = buffers.iter().map(|(access, b)| (*access, self.flat(b))).collect();
        let words = self.setup.state_bytes();
        let average = self.averages.as_ref().map(|b| self.flat(b));
        for span in Span::cut(&self.blocks, self.tables, self.gpu.max_elements()) {
            let held: Vec<Bound> = if states {
                let stride = if members > 1 { span.state_stride * words / 4 } else { 0 };
                self.states.iter().map(|b| Bound { stride, ..Bound::whole(b.clone()) }).collect()
            } else {
                Vec::new()
            };
            let mut shown =
                vec![Shown { access: Access::Read, bound: control, first: 0, len: control.buffer.elements() }];
            shown.extend(flats.iter().map(|(access, bound)| Shown {
                access: *access,
                bound,
                first: span.first,
                len: span.len,
            }));
            shown.push(Shown { access: Access::Write, bound: &work, first: 0, len: work.buffer.elements() });
            shown.extend(held.iter().map(|bound| Shown {
                access: Access::Write,
                bound,
                // Of tensors without states nothing is read; behind the last state there is nothing to bind.
                first: if span.state_len == 0 { 0 } else { span.state_first * words / 4 },
                len: span.state_len * words / 4,
            }));
            let writes_average =
                kernel.entry == "apply" || (kernel.entry == "update" && !self.setup.rule.trust_ratio());
            if let Some(bound) = average.as_ref().filter(|_| writes_average) {
                shown.push(Shown { access: Access::Write, bound, first: span.first, len: span.len });
            }
            let [x, y] = fold(span.blocks, self.gpu.max_groups());
            let from = all.len();
            all.add(&self.gpu, kernel.clone(), &span.params(), &shown, [x, y, members], members)?;
            all.moves(from, self.moved(&span, kernel.entry));
        }
        Ok(())
    }

    /// A launch with a workgroup a tensor, or one for all.
    fn over_tensors(&self, all: &mut Drafts, entry: &'static str, control: &Bound) -> Result<(), DeviceError> {
        let clip = self.setup.update.clip;
        let params = [
            ("work_stride", self.tables.work_words().into()),
            ("scales_at", (WORK_WORDS * self.tables.blocks).into()),
            ("tensors", self.tables.tensors.into()),
            ("maximum", (clip.map_or(0.0, |c| c.maximum()) as f32).into()),
            ("epsilon", (clip.map_or(0.0, |c| c.epsilon()) as f32).into()),
            ("nan", f32::NAN.to_bits().into()),
        ];
        let (work, ring) = (Bound::whole(self.work.clone()), Bound::whole(self.telemetry.clone()));
        let bound = [(Access::Read, control), (Access::Write, &work), (Access::Write, &ring)];
        let shown = bound.map(|(access, bound)| Shown { access, bound, first: 0, len: bound.buffer.elements() });
        let tensors = if entry == "clip_all" { 1 } else { self.tables.tensors };
        let [x, y] = fold(tensors, self.gpu.max_groups());
        let groups = [x, y, self.setup.seeds.len() as u32];
        let from = all.len();
        // A tensor's blocks are few.
        let lanes = self.lanes();
        let kernel = Kernel { source: link_tensors(lanes).into(), ..Kernel::new("tensors", "", entry) }
            .constant("WORKGROUP", lanes.count().min(64) as f64);
        all.add(&self.gpu, kernel, &params, &shown, groups, 1)?;
        all.moves(from, 4 * self.setup.seeds.len() * self.tables.work_words());
        Ok(())
    }

    /// Bytes of a member that a launch over blocks must move: frozen blocks are passed over, and nothing else is.
    fn moved(&self, span: &Span, entry: &str) -> usize {
        let blocks = &self.blocks[span.first_block..][..span.blocks];
        let moving = || blocks.iter().filter(|block| block.group != FROZEN);
        let flat = 4 * moving().map(|block| block.len).sum::<usize>();
        let states: usize = moving().map(|block| if block.state.is_some() { block.len } else { 0 }).sum();
        let states = 2 * self.setup.rule.states().len() * states * self.setup.state_bytes();
        let average = if self.averages.is_some() { 2 * flat } else { 0 };
        match entry {
            "norms" => flat,
            "clipped" => 2 * flat,
            // The directions, and the parameters read and written.
            "apply" => 3 * flat + average,
            // Gradients become directions, for which the parameters are only read.
            _ if self.setup.rule.trust_ratio() => 3 * flat + states,
            _ => 3 * flat + states + average,
        }
    }

    /// The update without and with telemetry.
    pub(super) fn updates(&self, control: &Bound) -> Result<Lists, DeviceError> {
        let plain = self.update(false, control)?.finish(&self.gpu)?;
        let told =
            if self.setup.update.telemetry { self.update(true, control)?.finish(&self.gpu)? } else { Vec::new() };
        Ok(Lists { plain, told })
    }

    /// Whether gradients are cut by their norm.
    fn scaled(&self) -> bool {
        matches!(self.setup.update.clip, Some(Clip::Norm { .. } | Clip::TensorNorm { .. }))
    }

    /// The norms of the gradients, where something asks for them, and the scales that clip them.
    fn clip(&self, all: &mut Drafts, norms: bool, control: &Bound) -> Result<(), DeviceError> {
        if norms || self.scaled() {
            let source = link_gradients("norms", self.lanes()).into();
            let kernel = Kernel { source, ..Kernel::new("norms", "", "norms") };
            self.over_blocks(all, &kernel, &[(Access::Read, &self.gradients)], false, control)?;
        }
        match self.setup.update.clip {
            Some(Clip::Norm { .. }) => self.over_tensors(all, "clip_all", control),
            Some(Clip::TensorNorm { .. }) => self.over_tensors(all, "clip_each", control),
            Some(Clip::Value(_)) | None => Ok(()),
        }
    }

    /// The norms and flags of the gradients, and these clipped in their places: the update will see directions.
    pub(super) fn clip_in_place(&self, all: &mut Drafts, control: &Bound) -> Result<(), DeviceError> {
        self.clip(all, true, control)?;
        if self.setup.update.clip.is_none() {
            return Ok(());
        }
        let source = link_gradients("clipped", self.lanes()).into();
        let kernel = Kernel { source, ..Kernel::new("clipped", "", "clipped") }
            .constant("SCALED", f64::from(u8::from(self.scaled())));
        self.over_blocks(all, &kernel, &[(Access::Write, &self.gradients)], false, control)
    }

    fn update(&self, told: bool, control: &Bound) -> Result<Drafts, DeviceError> {
        let mut all = Drafts::default();
        let (rule, update) = (self.setup.rule.as_ref(), &self.setup.update);
        // A transformation has looked at all of them before.
        let turned = update.transform.is_some();
        let scaled = !turned && self.scaled();
        if !turned {
            self.clip(&mut all, told && !update.bare.is_empty(), control)?;
        }
        let source =
            link(rule, update.storage, update.average, self.lanes()).expect("check_setup refuses rules of more states");
        let trust = rule.trust_ratio();
        let kernel = Kernel { source: source.into(), ..Kernel::new(rule.name(), "", "update") }
            .constant("SCALED", f64::from(u8::from(scaled)))
            .constant("CUT", f64::from(u8::from(!turned && matches!(update.clip, Some(Clip::Value(_))))))
            .constant("KNOWN", f64::from(u8::from(turned)))
            .constant("BARE", f64::from(u8::from(!update.bare.is_empty())))
            .constant("TELEMETRY", f64::from(u8::from(told)))
            .constant("TRUST", f64::from(u8::from(trust)));
        let flats = [(Access::Write, &self.gradients), (Access::Write, &self.parameters)];
        self.over_blocks(&mut all, &kernel, &flats, true, control)?;
        if trust {
            self.over_tensors(&mut all, "trust", control)?;
            let kernel = Kernel {
                source: link_apply(update.average, self.lanes()).into(),
                ..Kernel::new(rule.name(), "", "apply")
            }
            .constant("TELEMETRY", f64::from(u8::from(told)));
            let flats = [(Access::Read, &self.gradients), (Access::Write, &self.parameters)];
            self.over_blocks(&mut all, &kernel, &flats, false, control)?;
        }
        if told {
            self.over_tensors(&mut all, "telemetry", control)?;
        }
        Ok(all)
    }

    /// A part's gradients into those of its minibatch: the first, one between, the last.
    pub(super) fn parts(&self, control: &Bound) -> Result<[Vec<Dispatch>; 3], DeviceError> {
        let Some(sums) = &self.sums else { return Ok(Default::default()) };
        let members = self.setup.seeds.len() as u32;
        let (gradients, sums) = (self.flat(&self.gradients), self.flat(sums));
        let list = |add: bool, last: bool| -> Result<Vec<Dispatch>, DeviceError> {
            let mut all = Drafts::default();
            for (first, len) in self.windows(self.total) {
                let source = wgsl!("device/accumulate", "lib/control", "lib/grid");
                let kernel = Kernel::new("accumulate", source, "accumulate")
                    .constant("ADD", f64::from(u8::from(add)))
                    .constant("LAST", f64::from(u8::from(last)));
                let params =
                    [("len4", (len / 4).into()), ("stride4", (self.total / 4).into()), ("first_member", 0_u32.into())];
                let shown = [
                    Shown { access: Access::Read, bound: control, first: 0, len: control.buffer.elements() },
                    Shown { access: Access::Write, bound: &gradients, first, len },
                    Shown { access: Access::Write, bound: &sums, first, len },
                ];
                let from = all.len();
                all.add(&self.gpu, kernel, &params, &shown, self.linear(len / 4, members), members)?;
                all.moves(from, 4 * len * if add { 3 } else { 2 });
            }
            all.finish(&self.gpu)
        };
        Ok([list(false, false)?, list(true, false)?, list(true, true)?])
    }

    /// Where a trust ratio or a transformation leaves directions in the gradients' places, tensors without gradients get theirs
    /// of 0 anew; of frozen ones nothing reads any.
    pub(super) fn no_old_directions(&self, all: &mut Drafts, gradients: &[Option<NodeId>]) -> Result<(), DeviceError> {
        let silent = |&t: &usize| gradients[t].is_none() && self.setup.groups[t] != FROZEN;
        for t in (0..gradients.len()).filter(silent) {
            let elements = self.setup.tensors[t].shape.elements();
            let zeros = Bound::whole(self.gpu.storage("a gradient of zero", elements)?);
            let to = Bound { offset: self.offsets[t], ..self.flat(&self.gradients) };
            self.copy(all, &zeros, &to, elements)?;
        }
        Ok(())
    }

    /// Whether a step leaves telemetry.
    pub(super) fn tells(&self, call: &Call) -> bool {
        call.telemetry && call.part.updates() && self.programs[call.program.0].extent.trains
    }

    /// The step table of these calls, and how many of them leave telemetry.
    pub(super) fn step_table(&self, calls: &[Call]) -> (Vec<u32>, usize) {
        let (members, groups) = (self.tables.members, self.tables.groups);
        let bound = match self.setup.update.clip {
            Some(Clip::Value(bound)) => bound as f32,
            _ => f32::MAX,
        };
        let mut table = Vec::with_capacity(calls.len() * self.tables.slot_words());
        let mut told = 0;
        for call in calls {
            for m in 0..members {
                let active = if call.active.get(m).copied().unwrap_or(true) { ACTIVE } else { 0 };
                table.push(active | (told as u32) << 8);
                table.extend([call.share as f32, bound, call.average as f32].map(f32::to_bits));
                let own = call.hyper.get(m * groups..(m + 1) * groups);
                match own {
                    Some(own) => table.extend(own.iter().flatten().map(|&h| (h as f32).to_bits())),
                    None => table.resize(table.len() + groups * crate::optim::HYPER_WORDS, 0),
                }
            }
            told += usize::from(self.tells(call));
        }
        (table, told)
    }

    /// One step's telemetry, by member and tensor.
    pub(super) fn telemetry_of(&self, words: &[u32]) -> Vec<Vec<Telemetry>> {
        let number = |word: u32| f64::from(f32::from_bits(word));
        let tensor = |w: &[u32]| Telemetry {
            parameters: number(w[0]).sqrt(),
            gradients: number(w[1]).sqrt(),
            update: number(w[2]).sqrt(),
            largest_gradient: number(w[3]),
            non_finite: u64::from(w[4]),
        };
        let member = |w: &[u32]| w.chunks(TOLD).map(tensor).collect();
        words.chunks((self.tables.tensors * TOLD).max(1)).map(member).collect()
    }

    /// Forgets what was non-finite in a member.
    pub(super) fn forget(&self, member: usize) {
        let mut words = vec![0; self.tables.work_words()];
        for block in words[..WORK_WORDS * self.tables.blocks].chunks_mut(WORK_WORDS) {
            block[5..7].fill(NO_FLAG);
        }
        self.gpu.write(&self.work, member * words.len(), &words);
    }

    /// For each tensor of a member the steps at which its gradient and its value first were non-finite.
    pub(super) fn flags(&self, member: usize) -> Result<Vec<(u32, u32)>, DeviceError> {
        let (stride, len) = (self.tables.work_words(), WORK_WORDS * self.tables.blocks);
        let words = self.gpu.read(&[(&self.work, member * stride, len)])?.remove(0);
        let mut flags = vec![(NO_FLAG, NO_FLAG); self.tables.tensors];
        for (block, words) in self.blocks.iter().zip(words.chunks(WORK_WORDS)) {
            let flag = &mut flags[block.tensor];
            *flag = (flag.0.min(words[5]), flag.1.min(words[6]));
        }
        Ok(flags)
    }

    pub(super) fn held(&self, tensor: usize) -> bool {
        !self.setup.update.bare.contains(&tensor)
    }

    /// First element of each tensor in the states of one member, and the elements of one member.
    fn state_places(&self) -> (Vec<usize>, usize) {
        let mut places = vec![0; self.setup.tensors.len()];
        let mut total = 0;
        let mut seen = None;
        for Block { tensor, state, state_len, .. } in &self.blocks {
            if let Some(first) = *state
                && seen != Some(*tensor)
            {
                places[*tensor] = first;
                seen = Some(*tensor);
            }
            total += state_len;
        }
        (places, total)
    }

    pub(super) fn write_state(&self, state: usize, member: usize, values: &[Vec<f64>]) -> Result<(), DeviceError> {
        let (places, total) = self.state_places();
        let bytes = self.setup.state_bytes();
        for (place, values) in places.into_iter().zip(values).filter(|(_, values)| !values.is_empty()) {
            let words = match self.setup.update.storage {
                Storage::F32 => to_words(values),
                storage => values.chunks(2).map(|pair| packed(storage, pair)).collect(),
            };
            self.gpu.write(&self.states[state], (member * total + place) * bytes / 4, &words);
        }
        self.gpu.health()
    }

    pub(super) fn read_state(&self, state: usize, member: usize) -> Result<Vec<Vec<f64>>, DeviceError> {
        let (places, total) = self.state_places();
        let bytes = self.setup.state_bytes();
        let elements = |t: usize| if self.held(t) { self.setup.tensors[t].shape.elements() } else { 0 };
        let part = |(t, place): (usize, usize)| {
            (&self.states[state], (member * total + place) * bytes / 4, elements(t).div_ceil(4 / bytes))
        };
        let parts: Vec<_> = places.into_iter().enumerate().map(part).collect();
        let words = self.gpu.read(&parts)?;
        let reals = |(t, words): (usize, Vec<u32>)| match self.setup.update.storage {
            Storage::F32 => to_reals(&words),
            storage => words.iter().flat_map(|&word| unpacked(storage, word)).take(elements(t)).collect(),
        };
        Ok(words.into_iter().enumerate().map(reals).collect())
    }
}

/// Two states in one word, to the nearest: what was held before comes back as it was.
fn packed(storage: Storage, pair: &[f64]) -> u32 {
    let half = |x: f64| match storage {
        Storage::F16 => half::f16::from_f64(storage.nearest(x)).to_bits(),
        _ => half::bf16::from_f64(storage.nearest(x)).to_bits(),
    };
    u32::from(half(pair[0])) | u32::from(pair.get(1).map_or(0, |&x| half(x))) << 16
}

fn unpacked(storage: Storage, word: u32) -> [f64; 2] {
    [word as u16, (word >> 16) as u16].map(|bits| match storage {
        Storage::F16 => half::f16::from_bits(bits).to_f64(),
        _ => half::bf16::from_bits(bits).to_f64(),
    })
}

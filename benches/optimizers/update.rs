//! One step of a rule as the engine launches it.

use thalweg::device::Column;
use thalweg::device::gpu::{Gpu, Prepared};
use thalweg::kernel::{Binding, Kernel, Launch, Launches, Operand, fold};
use thalweg::optim::{
    BLOCK, Block, DynRule, Hyper, Lanes, NO_FLAG, Span, Storage, Tables, WORK_WORDS, link, link_apply, link_tensors,
};

use crate::support;

/// Workgroups along one axis at WebGPU's default limits.
pub const MAX_GROUPS: u32 = 65_535;
const RATE: f64 = 1e-3;
const ROUNDING: f64 = f32::EPSILON as f64 / 2.0;
/// From the initial states nothing cancels: all sums are of one sign, and the step is a chain of at most 24 products, sums,
/// quotients and roots. The least exact of them is WGSL's `sqrt`, 1 / inverseSqrt: 2 + 2.5 ulp, which is 9 roundings.
const CHAIN: f64 = 24.0 * 9.0 * ROUNDING;

/// What is timed.
pub struct Case<'a> {
    pub rule: &'a dyn DynRule,
    pub storage: Storage,
    /// Parameters in all.
    pub size: usize,
    pub tensors: usize,
    pub telemetry: bool,
}

impl Case<'_> {
    fn lengths(&self) -> impl Iterator<Item = usize> + use<'_> {
        (0..self.tensors).map(|t| self.size * (t + 1) / self.tensors - self.size * t / self.tensors)
    }

    /// Of the flat buffers, padding included.
    pub fn elements(&self) -> usize {
        self.lengths().map(|n| n.next_multiple_of(64)).sum()
    }

    /// The least traffic: padding does not count. A trust ratio needs the directions written, and they and the parameters
    /// read once more.
    pub fn bytes(&self) -> u64 {
        let more = if self.rule.trust_ratio() { 12 } else { 0 };
        (self.size * (12 + more + 2 * self.rule.states().len() * self.storage.bytes())) as u64
    }

    /// The launches, proved to do what the rule says.
    pub fn prepare(&self, gpu: &Gpu) -> Prepared {
        let hyper = self.rule.hyper(1, RATE);
        let blocks = Block::of(self.lengths().map(|n| (n, 0, true)), BLOCK);
        let tables = Tables { members: 1, groups: 1, blocks: blocks.len(), tensors: self.tensors };
        let mut control = tables.head(&[0], &blocks);
        control.extend([1, 1.0_f32.to_bits(), f32::MAX.to_bits(), 1.0_f32.to_bits()]);
        control.extend(hyper.map(|h| (h as f32).to_bits()));
        let work = vec![NO_FLAG; tables.work_words()];
        let size = self.elements();
        let (g, p) = (self.padded(1), self.padded(2));
        let count = self.rule.states().len();
        let words = size * self.storage.bytes() / 4;
        let states: Vec<Vec<u32>> = (0..count).map(|s| self.held(self.rule.initial_state(s), words)).collect();
        let ring = vec![0; 8 * self.tensors];
        let mut inputs = vec![Column::Index(&control), Column::F32(&g), Column::F32(&p), Column::Index(&work)];
        inputs.extend(states.iter().map(|s| Column::Index(s)));
        inputs.push(Column::Index(&ring));
        let lanes = Lanes::of(gpu.tiling(), &gpu.abilities());
        let over_blocks = |kernel: Kernel, states: usize| Launch {
            kernel: kernel
                .constant("WORKGROUP", lanes.count() as f64)
                .constant("TELEMETRY", f64::from(u8::from(self.telemetry))),
            params: Span::cut(&blocks, tables, size)[0].params(),
            bindings: [Binding::read(Operand::Input(0), control.len())]
                .into_iter()
                .chain([1, 2].map(|i| Binding::write(Operand::Input(i), size)))
                .chain([Binding::write(Operand::Input(3), work.len())])
                .chain((0..states).map(|s| Binding::write(Operand::Input(4 + s), words)))
                .collect(),
            groups: folded(blocks.len()),
            flops: 0,
        };
        let over_tensors = |entry| Launch {
            kernel: Kernel { source: link_tensors(lanes).into(), ..Kernel::new("tensors", "", entry) }
                .constant("WORKGROUP", lanes.count().min(64) as f64),
            params: vec![
                ("work_stride", tables.work_words().into()),
                ("scales_at", (WORK_WORDS * tables.blocks).into()),
                ("tensors", tables.tensors.into()),
                ("maximum", 0.0_f32.into()),
                ("epsilon", 0.0_f32.into()),
                ("nan", f32::NAN.to_bits().into()),
            ],
            bindings: vec![
                Binding::read(Operand::Input(0), control.len()),
                Binding::write(Operand::Input(3), work.len()),
                Binding::write(Operand::Input(4 + count), ring.len()),
            ],
            groups: folded(self.tensors),
            flops: 0,
        };
        let source = link(self.rule, self.storage, false, lanes).expect("at most 3 states");
        let trust = self.rule.trust_ratio();
        let update = Kernel { source: source.into(), ..Kernel::new(self.rule.name(), "", "update") };
        let mut list = vec![over_blocks(update.constant("TRUST", f64::from(u8::from(trust))), count)];
        if trust {
            list.push(over_tensors("trust"));
            let apply =
                Kernel { source: link_apply(false, lanes).into(), ..Kernel::new(self.rule.name(), "", "apply") };
            let mut second = over_blocks(apply, 0);
            second.bindings[1] = Binding::read(Operand::Input(1), size);
            list.push(second);
        }
        if self.telemetry {
            list.push(over_tensors("telemetry"));
        }
        let prepared = gpu.prepare(Launches { list, ..Launches::default() }, &inputs, 0).expect("the update compiles");
        prepared.run(1).expect("the update runs");
        self.verify(&hyper, &g, &p, &prepared);
        prepared
    }

    /// Noise in each tensor, 0 in the padding.
    fn padded(&self, seed: u64) -> Vec<f32> {
        let noise = support::noise(self.size, seed);
        let mut all = Vec::with_capacity(self.elements());
        let mut rest = noise.as_slice();
        for n in self.lengths() {
            let (own, more) = rest.split_at(n);
            all.extend_from_slice(own);
            all.resize(all.len().next_multiple_of(64), 0.0);
            rest = more;
        }
        all
    }

    fn held(&self, value: f64, words: usize) -> Vec<u32> {
        let half = |bits: u16| u32::from(bits) << 16 | u32::from(bits);
        let word = match self.storage {
            Storage::F32 => (value as f32).to_bits(),
            Storage::F16 => half(half::f16::from_f64(value).to_bits()),
            Storage::Bf16 => half(half::bf16::from_f64(value).to_bits()),
        };
        vec![word; words]
    }

    /// One step from the initial states against the f64 rule, within what its roundings can amount to. The parameter itself
    /// is rounded four times: as the difference, and by a decay as number, as product and as difference.
    fn verify(&self, hyper: &Hyper, g: &[f32], p: &[f32], prepared: &Prepared) {
        let wide = |v: &[f32]| v.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
        let mut after = wide(p);
        let initial = |s: usize| vec![self.rule.initial_state(s); p.len()];
        let mut states: Vec<Vec<f64>> = (0..self.rule.states().len()).map(initial).collect();
        let mut slices: Vec<&mut [f64]> = states.iter_mut().map(Vec::as_mut_slice).collect();
        self.rule.update_f64(hyper, &wide(g), &mut after, &mut slices);
        if self.rule.trust_ratio() {
            self.scaled(hyper, p, &mut after);
        }
        let found = |n: usize| prepared.read(Operand::Input(n)).expect("the device works");
        let hold = |what: &str, found: &[f64], wanted: &[f64], bound: &dyn Fn(usize) -> f64| {
            for (i, (&got, &wanted)) in found.iter().zip(wanted).enumerate() {
                let bound = bound(i) + f64::from(f32::MIN_POSITIVE);
                let good = (got - wanted).abs() <= bound;
                assert!(good, "{} {what}[{i}]: {got:e}, f64 {wanted:e}, ±{bound:e}", self.rule.name());
            }
        };
        let single = |words: &[u32]| words.iter().map(|&w| f64::from(f32::from_bits(w))).collect::<Vec<f64>>();
        let step = |i: usize| (after[i] - f64::from(p[i])).abs();
        // A trust ratio's norms are sums of up to 2²⁴ squares, by trees of 16 and 12 levels and 64 in a row.
        let chain = if self.rule.trust_ratio() { CHAIN + 128.0 * ROUNDING } else { CHAIN };
        let parameter = |i: usize| chain * step(i) + 4.0 * ROUNDING * (after[i].abs() + step(i));
        hold("parameter", &single(&found(2)), &after, &parameter);
        for (s, state) in states.iter().enumerate() {
            let words = found(4 + s);
            // To the nearest of 11 bits, or to either neighbour of 8; below 2⁻¹⁴ f16 is a grid of 2⁻²⁴.
            let (values, relative, grid) = match self.storage {
                Storage::F32 => (single(&words), 0.0, 0.0),
                Storage::F16 => (halves(&words, |b| half::f16::from_bits(b).to_f64()), 2f64.powi(-11), 2f64.powi(-25)),
                Storage::Bf16 => (halves(&words, |b| half::bf16::from_bits(b).to_f64()), 2f64.powi(-7), 0.0),
            };
            let bound = |i: usize| (CHAIN + relative * (1.0 + CHAIN)) * state[i].abs() + grid;
            hold(self.rule.states()[s], &values, state, &bound);
        }
    }

    /// The second half of a step with a trust ratio: `after` holds the directions.
    fn scaled(&self, hyper: &Hyper, p: &[f32], after: &mut [f64]) {
        let mut first = 0;
        for n in self.lengths() {
            let range = first..first + n;
            let shrunk: Vec<f64> = p[range.clone()].iter().map(|&p| (1.0 - hyper[11]) * f64::from(p)).collect();
            let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
            let (w, u) = (norm(&shrunk), norm(&after[range.clone()]));
            let ratio = if w > 0.0 && u > 0.0 { w / u } else { 1.0 };
            after[range].iter_mut().zip(&shrunk).for_each(|(u, p)| *u = p - hyper[10] * ratio * *u);
            let padded = n.next_multiple_of(64);
            after[first + n..first + padded].fill(0.0);
            first += padded;
        }
    }
}

fn halves(words: &[u32], of: impl Fn(u16) -> f64) -> Vec<f64> {
    words.iter().flat_map(|&w| [of(w as u16), of((w >> 16) as u16)]).collect()
}

fn folded(workgroups: usize) -> [u32; 3] {
    let [x, y] = fold(workgroups, MAX_GROUPS);
    [x, y, 1]
}

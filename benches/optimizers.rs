//! Every update rule at 2²⁰ and 2²⁴ parameters, in bytes of its floor (12 + 8·states a parameter) a second, beside a
//! kernel that moves the same bytes over the same number of streams and computes nothing.
//!
//! The result of each is compared with the f64 rule before it is timed. The table at the end pairs kernel and copy in one
//! run: its last column is the share of the copy's speed that the update reaches.

mod support;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use thalweg::device::Column;
use thalweg::device::gpu::{Gpu, Prepared};
use thalweg::kernel::{Binding, Kernel, Launch, Operand, Tiling, fold};
use thalweg::optim::{
    ALL, BLOCK, Block, Convention, DynRule, NO_FLAG, Span, Storage, Tables, bytes_per_parameter, link,
};

const SIZES: [usize; 2] = [1 << 20, 1 << 24];
/// Workgroups along one axis at WebGPU's default limits.
const MAX_GROUPS: u32 = 65_535;
/// Tensors that the parameters are cut into, as in a model of some depth.
const TENSORS: usize = 16;

fn main() {
    let mut c = support::criterion();
    if let Some(gpu) = support::gpu() {
        let mut rows = Vec::new();
        for size in SIZES {
            for entry in ALL {
                bench(&mut c, &gpu, entry.name, size, &mut rows);
            }
        }
        if support::measuring() {
            let head = ["rule", "parameters", "update GB/s", "copy GB/s", "update / copy"];
            support::table(&format!("on {}", gpu.adapter().name), &head, &rows);
        }
    }
    c.final_summary();
}

fn bench(c: &mut Criterion, gpu: &Gpu, name: &'static str, size: usize, rows: &mut Vec<Vec<String>>) {
    let entry = thalweg::optim::Entry::find(name).expect("the registry names it");
    let optimizer = (entry.defaults)(Convention::PyTorch);
    let rule = optimizer.rule();
    let bytes = (bytes_per_parameter(rule.states().len()) * size) as u64;
    let mut group = c.benchmark_group(format!("update {name}"));
    group.throughput(Throughput::Bytes(bytes));
    let mut pair: Option<(Prepared, Prepared)> = None;
    for what in ["update", "copy"] {
        group.bench_function(BenchmarkId::new(what, size), |b| {
            let (update, copy) = pair.get_or_insert_with(|| prepare(gpu, rule, size));
            let prepared = if what == "update" { update } else { copy };
            let most = support::repetitions(prepared);
            b.iter_custom(|times| support::time(black_box(prepared), times, most));
        });
    }
    group.finish();
    if support::measuring() {
        let (update, copy) = pair.get_or_insert_with(|| prepare(gpu, rule, size));
        let (update, copy, ratio) = support::side_by_side(update, copy);
        let speed = |seconds: f64| format!("{:.1}", bytes as f64 / seconds / 1e9);
        rows.push(vec![name.into(), size.to_string(), speed(update), speed(copy), format!("{:.0} %", 100.0 * ratio)]);
    }
}

/// The update and its copy, each proved to do what it says.
fn prepare(gpu: &Gpu, rule: &dyn DynRule, size: usize) -> (Prepared, Prepared) {
    (update(gpu, rule, size), copy(gpu, rule.states().len(), size))
}

fn update(gpu: &Gpu, rule: &dyn DynRule, size: usize) -> Prepared {
    const RATE: f64 = 1e-3;
    let hyper = rule.hyper(1, RATE);
    let blocks = Block::of((0..TENSORS).map(|_| (size / TENSORS, 0, true)), BLOCK);
    let tables = Tables { members: 1, groups: 1, blocks: blocks.len(), tensors: TENSORS };
    let mut control = tables.head(&[0], &blocks);
    control.extend([1, 1.0_f32.to_bits(), f32::MAX.to_bits(), 1.0_f32.to_bits()]);
    control.extend(hyper.map(|h| (h as f32).to_bits()));
    let work = vec![NO_FLAG; tables.work_words()];
    let (g, p) = (support::noise(size, 1), support::noise(size, 2));
    let states: Vec<Vec<f32>> = (0..rule.states().len()).map(|s| vec![rule.initial_state(s) as f32; size]).collect();
    let mut inputs = vec![Column::Index(&control), Column::F32(&g), Column::F32(&p), Column::Index(&work)];
    inputs.extend(states.iter().map(|s| Column::F32(s)));
    let mut bindings = vec![Binding::read(Operand::Input(0), control.len())];
    bindings.extend([1, 2].map(|i| Binding::write(Operand::Input(i), size)));
    bindings.push(Binding::write(Operand::Input(3), work.len()));
    bindings.extend((0..states.len()).map(|s| Binding::write(Operand::Input(4 + s), size)));
    let span = Span::cut(&blocks, tables, size)[0];
    let workgroup = if gpu.tiling() == Tiling::Register { 64 } else { 256 };
    let [x, y] = fold(span.blocks, MAX_GROUPS);
    let source = link(rule, Storage::F32, false).expect("at most 3 states");
    let launch = Launch {
        // As the engine launches it.
        kernel: Kernel { source: source.into(), ..Kernel::new(rule.name(), "", "update") }
            .constant("WORKGROUP", f64::from(workgroup))
            .constant("PER", f64::from(BLOCK as u32 / 4 / workgroup)),
        params: span.params(),
        bindings,
        groups: [x, y, 1],
        flops: 0,
    };
    let prepared = gpu.prepare(launch.into(), &inputs, 0).expect("the update compiles");
    prepared.run(1).expect("the update runs");
    verify(rule, &hyper, &g, &p, &prepared);
    prepared
}

/// One step from the initial states against the f64 rule, within what its roundings can amount to. From there nothing
/// cancels: all sums are of one sign, and the step is a chain of at most 20 products, sums, quotients and roots. The least
/// exact of them is WGSL's `sqrt`, 1 / inverseSqrt: 2 + 2.5 ulp, which is 9 roundings. The parameter itself is
/// rounded three times: as the difference, and by AdamW's factor 1 − ηλ as number and as product.
fn verify(rule: &dyn DynRule, hyper: &[f64; 12], g: &[f32], p: &[f32], prepared: &Prepared) {
    const ROUNDING: f64 = f32::EPSILON as f64 / 2.0;
    const CHAIN: f64 = 20.0 * 9.0 * ROUNDING;
    let wide = |v: &[f32]| v.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
    let mut after = wide(p);
    let mut states: Vec<Vec<f64>> = (0..rule.states().len()).map(|s| vec![rule.initial_state(s); p.len()]).collect();
    let mut slices: Vec<&mut [f64]> = states.iter_mut().map(Vec::as_mut_slice).collect();
    rule.update_f64(hyper, &wide(g), &mut after, &mut slices);
    let found = |n: usize| prepared.read(Operand::Input(n)).expect("the device works");
    let hold = |what: &str, found: &[u32], wanted: &[f64], bound: &dyn Fn(usize) -> f64| {
        for (i, (&word, &wanted)) in found.iter().zip(wanted).enumerate() {
            let (got, bound) = (f64::from(f32::from_bits(word)), bound(i) + f64::from(f32::MIN_POSITIVE));
            assert!((got - wanted).abs() <= bound, "{} {what}[{i}]: {got:e}, f64 {wanted:e}, ±{bound:e}", rule.name());
        }
    };
    let step = |i: usize| (after[i] - f64::from(p[i])).abs();
    hold("parameter", &found(2), &after, &|i| CHAIN * step(i) + 3.0 * ROUNDING * (after[i].abs() + step(i)));
    for (s, state) in states.iter().enumerate() {
        hold(rule.states()[s], &found(4 + s), state, &|i| CHAIN * state[i].abs());
    }
}

fn copy(gpu: &Gpu, states: usize, size: usize) -> Prepared {
    const ENTRIES: [&str; 4] = ["streams0", "streams1", "streams2", "streams3"];
    let (x, other) = (support::noise(size, 1), support::noise(size, 2));
    let mut inputs = vec![Column::F32(&x)];
    inputs.extend((0..=states).map(|_| Column::F32(&other)));
    let mut bindings = vec![Binding::read(Operand::Input(0), size)];
    bindings.extend((0..=states).map(|s| Binding::write(Operand::Input(1 + s), size)));
    let launch = Launch {
        kernel: Kernel::new("copy", include_str!("support/streams.wgsl"), ENTRIES[states]),
        params: vec![("len4", (size / 4).into())],
        bindings,
        groups: groups(size / 4),
        flops: 0,
    };
    let prepared = gpu.prepare(launch.into(), &inputs, 0).expect("the copy compiles");
    prepared.run(1).expect("the copy runs");
    for stream in 0..=states {
        let found = prepared.read(Operand::Input(1 + stream)).expect("the device works");
        let same = found.iter().zip(x.iter().zip(&other)).all(|(&f, (x, o))| f == x.to_bits() ^ o.to_bits());
        assert!(same && found.len() == size, "stream {stream} of the copy is not what it should be");
    }
    prepared
}

fn groups(invocations: usize) -> [u32; 3] {
    let [x, y] = fold(invocations.div_ceil(64), MAX_GROUPS);
    [x, y, 1]
}

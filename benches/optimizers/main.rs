//! Every element-wise update rule, its states in f32, f16 and bf16, at 2¹⁴ and 2²⁰ parameters as one tensor and as 100, and at 2²⁴ in
//! one: bytes of the rule's floor a second, as a share of a kernel that moves the same bytes over the same number of streams and computes
//! nothing. And what telemetry costs.
//!
//! The result of each is compared with the f64 rule before it is timed. `cargo bench --bench optimizers` writes
//! `benches/results/optimizers.md` in minutes: its section of this adapter is replaced, others stay. Update and copy are timed in
//! turn. With a filter it is criterion that times the rules of those names.

#[path = "../support/mod.rs"]
mod support;

mod copy;
mod page;
mod update;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use thalweg::device::gpu::{Gpu, Prepared};
use thalweg::optim::{ALL, Convention, Entry, Optimizer, Storage};
use update::Case;

/// Parameters, and their tensors: a model of one, and of some depth. Among 2²⁴ a hundred are large, each as good as one alone.
const SIZES: [(usize, usize); 5] = [(1 << 14, 1), (1 << 14, 100), (1 << 20, 1), (1 << 20, 100), (1 << 24, 1)];
/// From so many on, where a cell takes seconds, one rule stands for all that have states of two bytes.
const LARGE: usize = 1 << 24;
/// Rounds in which an update and its copy are timed in turn, and the length of a submission.
const ROUNDS: usize = 5;
const SUBMISSION: Duration = Duration::from_millis(25);

fn main() {
    let mut c = support::criterion();
    if let Some(gpu) = support::gpu() {
        if support::measuring() {
            page::write(&gpu, &tables(&gpu), &telemetry(&gpu));
        } else {
            criterion(&mut c, &gpu);
        }
    }
    c.final_summary();
}

fn optimizer(entry: &Entry) -> Optimizer {
    let convention = entry.conventions.iter().find(|&&c| c == Convention::PyTorch).or(entry.conventions.last());
    (entry.defaults)(*convention.expect("a rule has a convention"))
}

/// The rules whose update is that of an element; those that take tensors whole are graphs of ops.
fn rules() -> impl Iterator<Item = &'static Entry> {
    ALL.iter().filter(|entry| optimizer(entry).rule().tensor_rule().is_none())
}

/// Each rule at 2²⁰ parameters in f32, for comparisons from one commit to the next.
fn criterion(c: &mut Criterion, gpu: &Gpu) {
    for entry in rules() {
        let (optimizer, size) = (optimizer(entry), 1 << 20);
        let case = Case { rule: optimizer.rule(), storage: Storage::F32, size, tensors: 16, telemetry: false };
        let mut group = c.benchmark_group(format!("update {}", entry.name));
        group.throughput(Throughput::Bytes(case.bytes()));
        let mut pair: Option<(Prepared, Prepared)> = None;
        for what in ["update", "copy"] {
            group.bench_function(BenchmarkId::new(what, size), |b| {
                let (update, copy) = pair.get_or_insert_with(|| (case.prepare(gpu), copy::prepare(gpu, &case)));
                let prepared = if what == "update" { update } else { copy };
                let most = support::repetitions(prepared);
                b.iter_custom(|times| support::time(black_box(prepared), times, most));
            });
        }
        group.finish();
    }
}

/// One rule's row: for each storage GB/s of the floor, and the share of the copy's speed.
pub struct Row {
    pub rule: &'static str,
    pub states: usize,
    pub cells: Vec<(f64, f64)>,
}

/// The rows of each size and number of tensors.
fn tables(gpu: &Gpu) -> Vec<(usize, usize, Vec<Row>)> {
    let mut all = Vec::new();
    for (size, tensors) in SIZES {
        let row = |entry: &'static Entry| {
            let optimizer = optimizer(entry);
            let rule = optimizer.rule();
            let halves = !rule.states().is_empty() && (size < LARGE || entry.name == "adam");
            let stored = if halves { Storage::ALL } else { &Storage::ALL[..1] };
            let cell = |&storage: &Storage| {
                let case = Case { rule, storage, size, tensors, telemetry: false };
                let (update, copy) = (case.prepare(gpu), copy::prepare(gpu, &case));
                let (seconds, _, share) = support::in_turn(&update, &copy, ROUNDS, SUBMISSION);
                (case.bytes() as f64 / seconds / 1e9, share)
            };
            let row = Row { rule: entry.name, states: rule.states().len(), cells: stored.iter().map(cell).collect() };
            eprintln!("{size} parameters in {tensors}: {} {:.2?}", row.rule, row.cells);
            row
        };
        all.push((size, tensors, rules().map(row).collect()));
    }
    all
}

/// What a step with telemetry takes more than one without: `(rule, size, tensors, ratio)`.
fn telemetry(gpu: &Gpu) -> Vec<(&'static str, usize, usize, f64)> {
    let mut all = Vec::new();
    for name in ["sgd", "momentum", "adam"] {
        let optimizer = optimizer(Entry::find(name).expect("the registry has it"));
        for (size, tensors) in [(1 << 20, 1), (1 << 20, 100), (LARGE, 1)] {
            let case = |telemetry| Case { rule: optimizer.rule(), storage: Storage::F32, size, tensors, telemetry };
            let (without, with) = (case(false).prepare(gpu), case(true).prepare(gpu));
            let (_, _, ratio) =
                support::in_turn(&without, &with, if size < LARGE { 3 * ROUNDS } else { ROUNDS }, SUBMISSION);
            eprintln!("telemetry of {name}, {size} in {tensors}: {ratio:.3}");
            all.push((name, size, tensors, ratio));
        }
    }
    all
}

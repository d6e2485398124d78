//! Whole training steps of the network 64-128-128-10 on the digits: minibatch of 64, cross-entropy, Adam. As many steps
//! a submission as the engine takes. On the adapter and on the CPU in f32; and the time from opening the adapter to the
//! first step.

mod support;

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use thalweg::Shape;
use thalweg::data::{Dataset, Source, Targets, Values};
use thalweg::device::cpu::CpuEngine;
use thalweg::device::gpu::GpuEngine;
use thalweg::device::{Call, Column, Engine, ProgramId, Setup};
use thalweg::nn::{Linear, Mode, Objective, Relu, Sequential, TargetKind, assemble, initial_parameters};
use thalweg::optim::{Adam, DynRule};

const BATCH: usize = 64;
const SEED: u64 = 1;

fn main() {
    let mut c = support::criterion();
    let data = Source::Digits.load(".".as_ref(), 0.2).expect("the digits are embedded").train;
    let gpu = support::gpu();
    let mut rows = Vec::new();
    if let Some(gpu) = &gpu {
        bench(&mut c, &gpu.adapter().name, &data, &mut rows, |setup| {
            Box::new(GpuEngine::new(gpu, setup).expect("the adapter has the memory"))
        });
    }
    bench(&mut c, "cpu f32", &data, &mut rows, |setup| Box::new(CpuEngine::<f32>::new(setup).expect("an engine")));
    if support::measuring() {
        if gpu.is_some() {
            rows.push(vec!["from opening the adapter to the first step done".into(), first_step(&data, true)]);
        }
        rows.push(vec!["the same, cpu f32".into(), first_step(&data, false)]);
        support::table("64-128-128-10, batch 64, Adam", &["what", "ms"], &rows);
    }
    c.final_summary();
}

/// An engine with the network, its data and its step.
struct Training {
    engine: Box<dyn Engine>,
    program: ProgramId,
    rule: Adam,
    steps_per_epoch: usize,
    step: u64,
}

impl Training {
    fn new(data: &Dataset, engine: impl FnOnce(Setup) -> Box<dyn Engine>) -> Self {
        let model =
            Sequential::new().add(Linear::new(128)).add(Relu).add(Linear::new(128)).add(Relu).add(Linear::new(10));
        let classes = TargetKind::Classes { classes: 10 };
        let a = assemble(&model, &Shape::from([64]), classes, &Objective::default(), BATCH, Mode::Train)
            .expect("the layers fit together");
        let rule = Adam::default();
        let (tensors, buffers) = (a.tensors(), a.kept());
        let groups = vec![0; tensors.len()];
        let mut engine = engine(Setup { tensors, buffers, groups, rule: std::sync::Arc::new(rule), seeds: vec![SEED] });
        let features = match data.features() {
            Values::F32(v) => Column::F32(v),
            Values::F64(v) => Column::F64(v),
        };
        let Targets::Classes { labels, .. } = data.targets() else { unreachable!("digits have classes") };
        let id = engine.add_data(data.rows(), features, Column::Index(labels)).expect("the digits are small");
        let initial = initial_parameters(&a.parameters, SEED);
        let program = engine.compile(a.into_step(), id).expect("the step compiles");
        engine.set_parameters(0, &initial).expect("the device works");
        Self { engine, program, rule, steps_per_epoch: data.rows() / BATCH, step: 0 }
    }

    /// `count` steps of whole minibatches, at most an epoch's; waits for the last one's loss.
    fn run(&mut self, count: usize) -> f64 {
        let call = |k: u64| Call { program: self.program, hyper: vec![self.rule.hyper(self.step + k + 1, 1e-3)] };
        let calls: Vec<Call> = (0..count as u64).map(call).collect();
        self.engine.submit(self.step as u32, 0, &calls).expect("the device works");
        self.step += count as u64;
        let records = self.engine.collect().expect("the device works");
        records.last().expect("a step was submitted")[0][0]
    }

    /// Steps of one submission.
    fn most(&self) -> usize {
        self.engine.capacity().min(self.steps_per_epoch)
    }

    fn time(&mut self, steps: u64) -> Duration {
        let start = Instant::now();
        let mut left = steps as usize;
        while left > 0 {
            let now = left.min(self.most());
            self.run(now);
            left -= now;
        }
        start.elapsed()
    }
}

fn bench(
    c: &mut Criterion,
    name: &str,
    data: &Dataset,
    rows: &mut Vec<Vec<String>>,
    engine: impl Fn(Setup) -> Box<dyn Engine>,
) {
    let mut made: Option<Training> = None;
    let mut group = c.benchmark_group("step");
    group.throughput(Throughput::Elements(1));
    group.bench_function(name, |b| {
        let training = made.get_or_insert_with(|| learning(data, &engine));
        b.iter_custom(|steps| training.time(steps));
    });
    group.finish();
    if support::measuring() {
        let training = made.get_or_insert_with(|| learning(data, &engine));
        let most = training.most() as u64;
        let times = (0..15).map(|_| training.time(most).as_secs_f64() / most as f64).collect();
        rows.push(vec![format!("a step, {name}, {most} a submission"), format!("{:.3}", 1e3 * support::median(times))]);
    }
}

/// What is timed must learn: the loss of an untrained network over ten classes is about ln 10.
fn learning(data: &Dataset, engine: &impl Fn(Setup) -> Box<dyn Engine>) -> Training {
    let mut training = Training::new(data, engine);
    let before = training.run(1);
    assert!((before - 10f64.ln()).abs() < 0.5, "the first loss is {before}, not about ln 10");
    let mut after = before;
    for _ in 0..10 {
        after = training.run(training.most());
    }
    assert!(after < 0.5 * before, "the loss went from {before} to {after}");
    training
}

/// Milliseconds from opening the adapter until the first step's loss is there.
fn first_step(data: &Dataset, gpu: bool) -> String {
    let start = Instant::now();
    let loss = if gpu {
        let gpu = support::open().expect("it was opened before");
        Training::new(data, |setup| Box::new(GpuEngine::new(&gpu, setup).expect("the adapter has the memory"))).run(1)
    } else {
        Training::new(data, |setup| Box::new(CpuEngine::<f32>::new(setup).expect("an engine"))).run(1)
    };
    let took = start.elapsed();
    assert!(loss.is_finite());
    format!("{:.0}", 1e3 * took.as_secs_f64())
}

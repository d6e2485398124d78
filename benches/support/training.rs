//! Whole training steps of a network on an engine, with data that it learns.

use std::time::{Duration, Instant};

use thalweg::Shape;
use thalweg::data::{Dataset, Source, Targets, Values};
use thalweg::device::cpu::CpuEngine;
use thalweg::device::gpu::{Gpu, GpuEngine};
use thalweg::device::{Call, Column, Engine, ProgramId, Setup};
use thalweg::nn::{
    Conv2d, Flatten, Linear, MaxPool2d, Mode, Objective, Relu, Sequential, TargetKind, assemble, initial_parameters,
};
use thalweg::optim::{Adam, DynRule};

const SEED: u64 = 1;
/// Longest time one submission should take, so that no watchdog stirs.
const SUBMISSION: Duration = Duration::from_millis(200);

/// A network, examples of ten classes for it, and how many of them a minibatch has.
pub struct Task {
    pub title: &'static str,
    pub model: fn() -> Sequential,
    pub data: Dataset,
    pub batch: usize,
}

impl Task {
    /// 64-128-128-10 on the digits, by 64.
    pub fn digits() -> Self {
        let data = Source::Digits.load(".".as_ref(), 0.2).expect("the digits are embedded").train;
        let shape = Shape::from([64]);
        let Targets::Classes { labels, classes } = data.targets() else { unreachable!("digits have classes") };
        let targets = Targets::Classes { labels: labels.clone(), classes: *classes };
        let data = Dataset::new(data.features().clone(), shape, targets).expect("64 numbers an image");
        let model =
            || Sequential::new().add(Linear::new(128)).add(Relu).add(Linear::new(128)).add(Relu).add(Linear::new(10));
        Self { title: "64-128-128-10", model, data, batch: 64 }
    }

    /// 784-1024-1024-10 on images, by 256.
    pub fn wide() -> Self {
        let model =
            || Sequential::new().add(Linear::new(1024)).add(Relu).add(Linear::new(1024)).add(Relu).add(Linear::new(10));
        Self { title: "784-1024-1024-10", model, data: pictures(10 * 256, [784].into()), batch: 256 }
    }

    /// Two convolutions of 3×3, each with a pooling, and two linear layers, on images, by 64.
    pub fn images(title: &'static str, model: fn() -> Sequential) -> Self {
        Self { title, model, data: pictures(10 * 64, [1, 28, 28].into()), batch: 64 }
    }
}

/// Images of 28×28, as MNIST's: a picture of noise for each of ten classes, with more noise on it.
fn pictures(rows: usize, shape: Shape) -> Dataset {
    const PIXELS: usize = 28 * 28;
    let (class, own) = (crate::support::noise(10 * PIXELS, 3), crate::support::noise(rows * PIXELS, 4));
    let pixel = |(i, own): (usize, &f32)| 0.5 * class[i / PIXELS % 10 * PIXELS + i % PIXELS] + 0.5 * own;
    let features = Values::F32(own.iter().enumerate().map(pixel).collect());
    let targets = Targets::Classes { labels: (0..rows as u32).map(|row| row % 10).collect(), classes: 10 };
    Dataset::new(features, shape, targets).expect("labels below 10")
}

/// The network of [`Task::images`], its convolutions with `padding`.
pub fn convolutional(padding: usize) -> Sequential {
    let conv = |out| Conv2d { padding: [padding; 2], ..Conv2d::new(out, [3, 3]) };
    Sequential::new()
        .add(conv(32))
        .add(Relu)
        .add(MaxPool2d::new([2, 2]))
        .add(conv(64))
        .add(Relu)
        .add(MaxPool2d::new([2, 2]))
        .add(Flatten)
        .add(Linear::new(128))
        .add(Relu)
        .add(Linear::new(10))
}

/// An engine with the network, its data and its step.
pub struct Training {
    engine: Box<dyn Engine>,
    program: ProgramId,
    rule: Adam,
    steps_per_epoch: usize,
    step: u64,
    /// Steps of one submission.
    pub most: usize,
}

impl Training {
    fn new(task: &Task, engine: impl FnOnce(Setup) -> Box<dyn Engine>) -> Self {
        let data = &task.data;
        let classes = TargetKind::Classes { classes: 10 };
        let a = assemble(&(task.model)(), data.shape(), classes, &Objective::default(), task.batch, Mode::Train)
            .expect("the layers fit together");
        let rule = Adam::default();
        let (tensors, buffers) = (a.tensors(), a.kept());
        let groups = vec![0; tensors.len()];
        let mut engine = engine(Setup {
            tensors,
            buffers,
            groups,
            rule: std::sync::Arc::new(rule),
            update: thalweg::device::Update::default(),
            seeds: vec![SEED],
        });
        let features = match data.features() {
            Values::F32(v) => Column::F32(v),
            Values::F64(v) => Column::F64(v),
        };
        let Targets::Classes { labels, .. } = data.targets() else { unreachable!("all tasks have classes") };
        let id = engine.add_data(data.rows(), features, Column::Index(labels)).expect("the data are small");
        let initial = initial_parameters(&a.parameters, SEED);
        let program = engine.compile(a.into_step(), id).expect("the step compiles");
        engine.set_parameters(0, &initial).expect("the device works");
        Self { engine, program, rule, steps_per_epoch: data.rows() / task.batch, step: 0, most: 1 }
    }

    pub fn on_gpu(task: &Task, gpu: &Gpu) -> Self {
        Self::new(task, |setup| Box::new(GpuEngine::new(gpu, setup).expect("the adapter has the memory")))
    }

    pub fn on_cpu(task: &Task) -> Self {
        Self::new(task, |setup| Box::new(CpuEngine::<f32>::new(setup).expect("an engine")))
    }

    /// `count` steps of whole minibatches, at most an epoch's; waits for the last one's loss.
    pub fn run(&mut self, count: usize) -> f64 {
        let call = |k: u64| Call::new(self.program, vec![self.rule.hyper(self.step + k + 1, 1e-3)]);
        let calls: Vec<Call> = (0..count as u64).map(call).collect();
        self.engine.submit(self.step as u32, 0, &calls).expect("the device works");
        self.step += count as u64;
        let records = self.engine.collect().expect("the device works");
        records.last().expect("a step was submitted")[0][0]
    }

    pub fn time(&mut self, steps: u64) -> Duration {
        let start = Instant::now();
        let mut left = steps as usize;
        while left > 0 {
            let now = left.min(self.most);
            self.run(now);
            left -= now;
        }
        start.elapsed()
    }

    /// What is timed must learn: the loss of an untrained network over ten classes is about ln 10.
    pub fn learning(mut self) -> Self {
        let before = self.run(1);
        assert!((before - 10f64.ln()).abs() < 0.5, "the first loss is {before}, not about ln 10");
        let once = self.time(1).min(self.time(1)).as_secs_f64();
        let most = self.engine.capacity().min(self.steps_per_epoch);
        self.most = ((SUBMISSION.as_secs_f64() / once.max(1e-7)) as usize).clamp(1, most);
        let mut after = before;
        for _ in 0..30 {
            after = self.run(self.most);
            if after < 0.5 * before {
                return self;
            }
        }
        panic!("the loss went from {before} to {after}");
    }
}

//! The training loop.

mod admit;
mod keep;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Instant;

use super::event::{EpochEvent, Event, Flow, StepEvent};
use super::pace::Pace;
use super::recipe::Recipe;
use super::set::{Set, build};
use super::weights::Weights;
use crate::data::{Split, order};
use crate::device::cpu::CpuEngine;
use crate::device::gpu::GpuEngine;
use crate::device::{Call, Device, Engine, Precision, Setup, Tensor};
use crate::error::{Result, TrainError};
use crate::nn::{Assembled, Mode, Model};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After its last epoch.
    Done,
    /// Because its watcher said so; saved, and ready to be resumed.
    Stopped,
}

/// A model in training on a device.
///
/// # Examples
///
/// ```
/// use thalweg::data::Source;
/// use thalweg::device::{Device, Precision};
/// use thalweg::nn::{Flatten, Linear, Sequential};
/// use thalweg::train::{Event, Flow, Recipe, Trainer};
///
/// let data = Source::Digits.load(".".as_ref(), 0.2)?;
/// let model = Sequential::new().add(Flatten).add(Linear::new(10));
/// let recipe = Recipe { epochs: 3, ..Recipe::default() };
/// let mut trainer = Trainer::new(&Device::Cpu(Precision::F32), &model, &data, recipe)?;
/// let mut losses = Vec::new();
/// trainer.run(&mut |event| {
///     if let Event::Epoch(epoch) = event {
///         losses.push(epoch.train_loss);
///     }
///     Flow::Continue
/// })?;
/// assert!(losses.len() == 3 && losses[2] < losses[0]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct Trainer {
    engine: Box<dyn Engine>,
    recipe: Recipe,
    precision: Precision,
    device: String,
    moved_from: Option<String>,
    model: Held,
    train: Set,
    validation: Option<Set>,
    position: Position,
    sums: Sums,
    folder: Option<PathBuf>,
    saved: bool,
}

/// The model as its files name it.
struct Held {
    built: Assembled,
    tensors: Vec<Tensor>,
    /// What its counts of training steps were at the run's first step.
    counted: Vec<u64>,
}

/// Where a run stands: everything is counted in steps whose records have come back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Position {
    step: u64,
    epoch: u32,
    step_in_epoch: usize,
}

/// What an epoch has added up to, weighted by rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    rows: f64,
    data_loss: f64,
    penalty: f64,
    accuracy: f64,
}

impl Sums {
    fn add(&mut self, record: &[f64; 4], rows: usize) {
        let weight = rows as f64;
        self.rows += weight;
        self.data_loss += weight * record[1];
        self.penalty += weight * record[2];
        self.accuracy += weight * record[3];
    }

    /// The mean of a sum; `None` for what the graph does not record.
    fn mean(&self, sum: f64) -> Option<f64> {
        let mean = sum / self.rows;
        (!mean.is_nan()).then_some(mean)
    }
}

/// A step whose record is awaited.
struct Sent {
    rows: usize,
    learning_rate: f64,
}

impl Trainer {
    /// Puts the data on the device, compiles the steps, and sets the initial weights of `recipe.seed`.
    ///
    /// # Errors
    ///
    /// A model that does not fit together or to the data, hyper-parameters out of range, a class the model has no output
    /// for, a batch larger than the data, more memory than the device has.
    pub fn new(device: &Device, model: &dyn Model, data: &Split, recipe: Recipe) -> Result<Self> {
        for (field, value) in [("epochs", recipe.epochs as usize), ("batch_size", recipe.batch_size)] {
            if value == 0 {
                return Err(TrainError::Zero { field }.into());
            }
        }
        data.train.check_batch(recipe.batch_size)?;
        recipe.check(device.precision(), crate::data::steps(data.train.rows(), recipe.batch_size))?;
        for part in [Some(&data.train), data.validation.as_ref()].into_iter().flatten() {
            admit::part(device, model, &recipe, &data.train, part)?;
        }
        let built = build(model, &recipe, &data.train, recipe.batch_size, Mode::Train)?;
        let tensors = built.tensors();
        let setup = Setup {
            groups: vec![0; tensors.len()],
            tensors: tensors.clone(),
            buffers: built.kept(),
            rule: recipe.optimizer.clone(),
            seeds: vec![recipe.seed],
        };
        super::set::admit(device, &setup)?;
        let mut engine: Box<dyn Engine> = match device {
            Device::Cpu(Precision::F32) => Box::new(CpuEngine::<f32>::new(setup)?),
            Device::Cpu(Precision::F64) => Box::new(CpuEngine::<f64>::new(setup)?),
            Device::Gpu(gpu) => Box::new(GpuEngine::new(gpu, setup)?),
        };
        let train = Set::new(engine.as_mut(), model, &recipe, &data.train, recipe.batch_size, Mode::Train)?;
        let validation = match &data.validation {
            None => None,
            Some(part) => {
                let batch = recipe.batch_size.max(256).min(part.rows());
                Some(Set::new(engine.as_mut(), model, &recipe, part, batch, Mode::Evaluate)?)
            }
        };
        let initial = Weights::initial(&built, recipe.seed);
        engine.set_parameters(0, &initial.parameters)?;
        engine.set_buffers(0, &initial.buffers)?;
        Ok(Self {
            engine,
            recipe,
            precision: device.precision(),
            device: called(device),
            moved_from: None,
            model: Held { built, tensors, counted: initial.counters },
            train,
            validation,
            position: Position::default(),
            sums: Sums::default(),
            folder: None,
            saved: false,
        })
    }

    /// The learnt tensors' names and shapes.
    pub fn tensors(&self) -> &[Tensor] {
        &self.model.tensors
    }

    /// Their values, exactly as the device holds them.
    ///
    /// # Errors
    ///
    /// A lost device.
    pub fn parameters(&mut self) -> Result<Vec<Vec<f64>>> {
        Ok(self.engine.parameters(0)?)
    }

    /// `cpu`, or the adapter's name.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The device that the run was resumed from, where it is another one: the run goes on, but its numbers are rounded
    /// otherwise than they would have been there.
    pub fn moved_from(&self) -> Option<&str> {
        self.moved_from.as_deref()
    }

    /// Bytes held on the device.
    pub fn bytes(&self) -> u64 {
        self.engine.bytes()
    }

    /// How it is trained.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Steps of one epoch.
    pub fn steps_per_epoch(&self) -> usize {
        self.train.steps()
    }

    /// Steps done since the run began.
    pub fn step(&self) -> u64 {
        self.position.step
    }

    /// Whole epochs done.
    pub fn epoch(&self) -> u32 {
        self.position.epoch
    }

    /// Trains until the last epoch, or until `watch` says stop. With a [folder](Self::keep_in) the run is saved after every
    /// epoch and when it is stopped.
    ///
    /// # Errors
    ///
    /// [`TrainError::NonFiniteLoss`] and [`TrainError::NonFiniteTensor`], a lost device, a folder that cannot be written
    /// to. The last checkpoint stays as it is.
    pub fn run(&mut self, watch: &mut dyn FnMut(&Event) -> Flow) -> Result<End> {
        self.settle()?;
        let mut pace = Pace::new(self.engine.capacity());
        while self.position.epoch < self.recipe.epochs {
            let rows = order(self.recipe.seed, self.position.epoch, self.train.rows, self.recipe.shuffle);
            self.engine.set_order(self.train.id, &rows)?;
            let began = Instant::now();
            let before = self.sums.rows;
            if self.steps_of_epoch(&mut pace, watch)? == Flow::Stop {
                self.check_finite()?;
                self.save()?;
                return Ok(End::Stopped);
            }
            let seconds = began.elapsed().as_secs_f64();
            let event = self.end_epoch(seconds, self.sums.rows - before)?;
            self.save_epoch(&event)?;
            if watch(&Event::Epoch(event)) == Flow::Stop && self.position.epoch < self.recipe.epochs {
                return Ok(End::Stopped);
            }
        }
        Ok(End::Done)
    }

    /// Forgets steps under way whose records nobody awaits, after an error.
    fn settle(&mut self) -> Result<()> {
        while self.engine.pending() > 0 {
            self.engine.collect()?;
        }
        Ok(())
    }

    /// Runs the rest of the present epoch, with up to two submissions under way.
    fn steps_of_epoch(&mut self, pace: &mut Pace, watch: &mut dyn FnMut(&Event) -> Flow) -> Result<Flow> {
        let (mut next, mut sent) = (self.position.step_in_epoch, VecDeque::new());
        let mut flow = Flow::Continue;
        pace.restart();
        loop {
            while flow == Flow::Continue && next < self.train.steps() && self.engine.pending() < 2 {
                next += self.send(next, pace.steps(), &mut sent)?;
            }
            if self.engine.pending() == 0 {
                return Ok(flow);
            }
            let records = self.engine.collect()?;
            pace.collected(records.len());
            for record in records {
                let step = sent.pop_front().expect("each record answers a step that was sent");
                let event = self.took(&record[0], &step)?;
                if watch(&Event::Step(event)) == Flow::Stop {
                    flow = Flow::Stop;
                }
            }
        }
    }

    /// Submits up to `most` steps of the epoch from the n-th on; returns how many.
    fn send(&mut self, n: usize, most: usize, sent: &mut VecDeque<Sent>) -> Result<usize> {
        let rule = &self.recipe.optimizer;
        let begun = self.position.step - self.position.step_in_epoch as u64;
        let count = most.min(self.train.steps() - n);
        let mut calls = Vec::with_capacity(count);
        for k in n..n + count {
            let step = begun + k as u64;
            let rate = self.recipe.rate(self.precision, step, u64::from(self.position.epoch))?;
            let (program, rows) = self.train.step(k);
            calls.push(Call { program, hyper: vec![rule.hyper(step + 1, rate)] });
            sent.push_back(Sent { rows, learning_rate: rate });
        }
        self.engine.submit((begun + n as u64) as u32, (n * self.train.batch) as u32, &calls)?;
        Ok(count)
    }

    /// A step's record has come back.
    fn took(&mut self, record: &[f64; 4], sent: &Sent) -> Result<StepEvent> {
        self.position.step += 1;
        self.position.step_in_epoch += 1;
        if !record[0].is_finite() {
            let first = self.engine.first_non_finite()?.map(|f| describe(&f));
            let (step, checkpoint) = (self.position.step, self.kept());
            return Err(TrainError::NonFiniteLoss { step, loss: record[0], first, checkpoint }.into());
        }
        self.sums.add(record, sent.rows);
        let done = (self.position.step_in_epoch * self.train.batch).min(self.train.rows) as f64;
        Ok(StepEvent {
            step: self.position.step,
            epoch: f64::from(self.position.epoch) + done / self.train.rows as f64,
            loss: record[0],
            data_loss: record[1],
            learning_rate: sent.learning_rate,
            accuracy: (!record[3].is_nan()).then_some(record[3]),
            rows: sent.rows,
        })
    }

    /// The loss of a step is that before its update, so it says nothing of what the last update left.
    fn check_finite(&mut self) -> Result<()> {
        match self.engine.first_non_finite()? {
            None => Ok(()),
            Some(first) => {
                let (first, checkpoint) = (describe(&first), self.kept());
                Err(TrainError::NonFiniteTensor { first, checkpoint }.into())
            }
        }
    }

    fn end_epoch(&mut self, seconds: f64, rows: f64) -> Result<EpochEvent> {
        self.check_finite()?;
        let sums = std::mem::take(&mut self.sums);
        let base = self.recipe.optimizer.learning_rate();
        let learning_rate = self.recipe.schedule.rate(base, self.position.step - 1, u64::from(self.position.epoch));
        self.position.epoch += 1;
        self.position.step_in_epoch = 0;
        let validation = self.evaluate()?;
        Ok(EpochEvent {
            epoch: self.position.epoch,
            steps: self.position.step,
            train_loss: sums.data_loss / sums.rows,
            train_accuracy: sums.mean(sums.accuracy),
            val_loss: validation.map(|v| v.0),
            val_accuracy: validation.and_then(|v| v.1),
            penalty: sums.mean(sums.penalty),
            learning_rate,
            seconds,
            examples_per_second: rows / seconds,
        })
    }

    /// Loss and accuracy on the validation data; `None` without such data.
    ///
    /// # Errors
    ///
    /// A lost device.
    pub fn evaluate(&mut self) -> Result<Option<(f64, Option<f64>)>> {
        self.settle()?;
        let Some(set) = &self.validation else { return Ok(None) };
        let mut sums = Sums::default();
        let mut n = 0;
        while n < set.steps() {
            let count = self.engine.capacity().min(set.steps() - n);
            let call = |k| Call { program: set.step(k).0, hyper: Vec::new() };
            let calls: Vec<Call> = (n..n + count).map(call).collect();
            self.engine.submit(self.position.step as u32, (n * set.batch) as u32, &calls)?;
            for (k, record) in self.engine.collect()?.iter().enumerate() {
                sums.add(&record[0], set.step(n + k).1);
            }
            n += count;
        }
        Ok(Some((sums.data_loss / sums.rows, sums.mean(sums.accuracy))))
    }
}

fn called(device: &Device) -> String {
    match device {
        Device::Cpu(_) => "cpu".into(),
        Device::Gpu(gpu) => gpu.adapter().name.clone(),
    }
}

fn describe(found: &crate::device::NonFinite) -> String {
    format!("the {} of `{}` was the first to be non-finite, at step {}", found.what, found.tensor, found.step)
}

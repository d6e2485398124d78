//! The loop: steps of an epoch, what their records say, and the evaluation.

use std::collections::VecDeque;
use std::time::Instant;

use super::{End, Sums, Trainer};
use crate::data::order;
use crate::device::Call;
use crate::error::{Result, TrainError};
use crate::train::event::{EpochEvent, Event, Flow, StepEvent};
use crate::train::pace::Pace;
use crate::train::set::Set;
use crate::train::weights::rows;

/// A step whose record is awaited.
struct Sent {
    rows: usize,
    learning_rate: f64,
}

impl Trainer {
    /// Trains until the last epoch, or until `watch` says stop. With a [folder](Self::keep_in) the run is saved after every
    /// epoch and when it is stopped.
    ///
    /// # Errors
    ///
    /// [`TrainError::NonFiniteLoss`] and [`TrainError::NonFiniteTensor`], a lost device, a folder that cannot be written
    /// to. The last checkpoint stays as it is.
    pub fn run(&mut self, watch: &mut dyn FnMut(&Event) -> Flow) -> Result<End> {
        self.settle()?;
        if self.second.is_some() {
            return self.run_second(watch);
        }
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
            let flow = watch(&Event::Epoch(event));
            if let Some(loss) = event.val_loss.filter(|loss| !loss.is_finite()) {
                return Err(
                    TrainError::NonFiniteValidation { loss, epoch: event.epoch, checkpoint: self.kept() }.into()
                );
            }
            if flow == Flow::Stop && self.position.epoch < self.recipe.epochs {
                return Ok(End::Stopped);
            }
        }
        Ok(End::Done)
    }

    /// Forgets steps under way whose records nobody awaits, after an error.
    pub(super) fn settle(&mut self) -> Result<()> {
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
        let count = most.min(self.train.steps() - n).min(self.at_once(&self.train));
        let mut calls = Vec::with_capacity(count);
        for k in n..n + count {
            let step = begun + k as u64;
            let rate = self.recipe.rate(self.precision, step, u64::from(self.position.epoch))?;
            let (program, rows) = self.train.step(k);
            calls.push(Call::new(program, vec![rule.hyper(step + 1, rate)]));
            sent.push_back(Sent { rows, learning_rate: rate });
        }
        self.engine.submit((begun + n as u64) as u32, (n * self.train.batch) as u32, &calls)?;
        Ok(count)
    }

    /// Steps that one submission takes of data that are streamed.
    fn at_once(&self, set: &Set) -> usize {
        self.engine.chunk(set.id).map_or(usize::MAX, |rows| (rows / set.batch).max(1))
    }

    /// A step's record has come back.
    fn took(&mut self, record: &[f64; 4], sent: &Sent) -> Result<StepEvent> {
        self.position.step += 1;
        self.position.step_in_epoch += 1;
        if !record[0].is_finite() {
            let first = self.engine.first_non_finite(0)?.map(|f| describe(&f));
            let (step, checkpoint) = (self.position.step, self.kept());
            return Err(TrainError::NonFiniteLoss { step, loss: record[0], first, checkpoint }.into());
        }
        self.sums.add(record, sent.rows);
        let used = self.train.used();
        let done = (self.position.step_in_epoch * self.train.batch).min(used) as f64;
        Ok(StepEvent {
            step: self.position.step,
            epoch: f64::from(self.position.epoch) + done / used as f64,
            loss: record[0],
            data_loss: record[1],
            learning_rate: sent.learning_rate,
            accuracy: (!record[3].is_nan()).then_some(record[3]),
            rows: sent.rows,
        })
    }

    /// The loss of a step is that before its update, so it says nothing of what the last update left.
    fn check_finite(&mut self) -> Result<()> {
        if let Some(first) = self.engine.first_non_finite(0)? {
            let (first, checkpoint) = (describe(&first), self.kept());
            return Err(TrainError::NonFiniteTensor { first, checkpoint }.into());
        }
        let held = self.rows()?;
        for ((name, _), values) in rows(&self.model.built.buffers).zip(held) {
            if let Some(&found) = values.iter().find(|x| !x.is_finite()) {
                let (step, checkpoint) = (self.position.step, self.kept());
                return Err(TrainError::NonFiniteBuffer { name, found, step, checkpoint }.into());
            }
        }
        Ok(())
    }

    pub(super) fn end_epoch(&mut self, seconds: f64, rows: f64) -> Result<EpochEvent> {
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
            second_order: None,
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
            let count = self.engine.capacity().min(set.steps() - n).min(self.at_once(set));
            let call = |k| Call::evaluate(set.step(k).0);
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

pub(super) fn describe(found: &crate::device::NonFinite) -> String {
    format!("the {} of `{}` was the first to be non-finite, at step {}", found.what, found.tensor, found.step)
}

//! The loop: steps of an epoch, and what their records say.

use std::collections::VecDeque;
use std::time::Instant;

use super::{End, Position, Trainer};
use crate::data::order;
use crate::device::{Call, Part, Record};
use crate::error::{Result, TrainError};
use crate::schedule::Moment;
use crate::train::event::{EpochEvent, Event, Flow, StepEvent};
use crate::train::pace::Pace;
use crate::train::set::Set;

/// A step whose record is awaited.
struct Sent {
    rows: usize,
    /// Of each member.
    learning_rates: Vec<f64>,
}

impl Trainer {
    /// Trains until the last epoch, or until `watch` says stop. With a [folder](Self::keep_in) the run is saved after every
    /// epoch and when it is stopped.
    ///
    /// A member of a population that no longer computes with numbers stays as it is, and the others go on.
    ///
    /// # Errors
    ///
    /// [`TrainError::NonFiniteLoss`] and [`TrainError::NonFiniteTensor`] in a run of one model,
    /// [`PopulationError::AllDiverged`](crate::error::PopulationError::AllDiverged) in one of several; a lost device, a folder
    /// that cannot be written to. The last checkpoint stays as it is.
    pub fn run(&mut self, watch: &mut dyn FnMut(&Event) -> Flow) -> Result<End> {
        self.settle()?;
        self.some_goes_on()?;
        if self.second.is_some() {
            return self.run_second(watch);
        }
        let mut pace = Pace::new(self.engine.capacity());
        while self.position.epoch < self.recipe.epochs {
            let seed = self.recipe.shuffle_seed.unwrap_or(self.recipe.seed);
            let rows = order(seed, self.position.epoch, self.train.rows, self.recipe.shuffle);
            self.engine.set_order(self.train.id, &rows)?;
            let began = Instant::now();
            let before = self.rows_done();
            if self.steps_of_epoch(&mut pace, watch)? == Flow::Stop {
                self.check_finite(watch)?;
                self.save()?;
                return Ok(End::Stopped);
            }
            let seconds = began.elapsed().as_secs_f64();
            let rows = (self.rows_done() - before) as f64;
            let flow = self.end_epoch(seconds, rows, watch)?;
            if flow == Flow::Stop && self.position.epoch < self.recipe.epochs {
                return Ok(End::Stopped);
            }
        }
        Ok(End::Done)
    }

    /// Rows of the present epoch that were trained on.
    pub(super) fn rows_done(&self) -> usize {
        self.position.step_in_epoch.saturating_mul(self.train.batch).min(self.train.used())
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
            // A run stops between two updates: parts of a minibatch are not saved.
            let accumulate = self.recipe.update.accumulate;
            let whole = |next: usize| next.is_multiple_of(accumulate);
            while (flow == Flow::Continue || !whole(next)) && next < self.train.steps() && self.engine.pending() < 2 {
                // Of a run that stops, no more than the update that has begun.
                let most = if flow == Flow::Stop { accumulate - next % accumulate } else { pace.steps() };
                next += self.send(next, most, &mut sent)?;
            }
            if self.engine.pending() == 0 {
                return Ok(flow);
            }
            let records = self.engine.collect()?;
            pace.collected(records.len());
            for record in records {
                let step = sent.pop_front().expect("each record answers a step that was sent");
                if self.took(&record, &step, watch)? == Flow::Stop {
                    flow = Flow::Stop;
                }
            }
        }
    }

    /// Submits up to `most` steps of the epoch from the n-th on; returns how many.
    fn send(&mut self, n: usize, most: usize, sent: &mut VecDeque<Sent>) -> Result<usize> {
        let begun = self.position.step - self.position.step_in_epoch as u64;
        let count = most.min(self.train.steps() - n).min(self.at_once(&self.train));
        // A member that has diverged stays; where all go on there is nothing to say.
        let active = if self.diverged().next().is_none() {
            Vec::new()
        } else {
            (0..self.members.len()).map(|m| self.goes_on(m)).collect()
        };
        let mut calls = Vec::with_capacity(count);
        for k in n..n + count {
            let (call, learning_rates) = self.call(k)?;
            calls.push(Call { active: active.clone(), ..call });
            sent.push_back(Sent { rows: self.train.step(k).1, learning_rates });
        }
        self.engine.submit((begun + n as u64) as u32, (n * self.train.batch) as u32, &calls)?;
        Ok(count)
    }

    /// The k-th step of the present epoch, for all members, and each member's learning rate.
    pub(super) fn call(&self, k: usize) -> Result<(Call, Vec<f64>)> {
        let (part, share) = self.part(k);
        let update = self.update_of(self.position.epoch, k);
        let (mut hyper, mut learning_rates) = (Vec::new(), Vec::with_capacity(self.members.len()));
        for m in 0..self.members.len() {
            let (at, before) = (self.moment(m, update), self.position.before);
            let (rate, numbers) = self.rules.hyper(&self.recipe, self.precision, m, &at, before)?;
            learning_rates.push(rate);
            hyper.extend(numbers);
        }
        let telemetry = part.updates() && self.recipe.update.tells(update);
        let average = self.recipe.update.share(update);
        let hyper = if part.updates() { hyper } else { Vec::new() };
        let program = self.train.step(k).0;
        Ok((Call { program, hyper, part, share, average, telemetry, active: Vec::new() }, learning_rates))
    }

    /// The update, from 0, which the k-th step of an epoch belongs to.
    pub(super) fn update_of(&self, epoch: u32, k: usize) -> u64 {
        let update = &self.recipe.update;
        u64::from(epoch) * update.updates(self.steps_per_epoch()) as u64 + (k / update.accumulate) as u64
    }

    /// Updates that a run has made where it stands between two of them.
    pub(super) fn updates_at(&self, position: &Position) -> u64 {
        let update = &self.recipe.update;
        u64::from(position.epoch) * update.updates(self.train.steps()) as u64
            + update.updates(position.step_in_epoch) as u64
    }

    /// What the schedule of a member is asked of an update, counted from 0.
    pub(super) fn moment(&self, member: usize, update: u64) -> Moment {
        let updates = self.recipe.update.updates(self.steps_per_epoch()) as u64;
        let cuts = self.members[member].watch.cuts;
        Moment { cuts, ..Moment::new(update, updates, u64::from(self.recipe.epochs)) }
    }

    /// Which part of its update's rows the k-th step of an epoch has, and how much of them.
    fn part(&self, k: usize) -> (Part, f64) {
        let accumulate = self.recipe.update.accumulate;
        let first = k / accumulate * accumulate;
        let end = (first + accumulate).min(self.train.steps());
        let part = match (k == first, k + 1 == end) {
            (true, true) => return (Part::Whole, 1.0),
            (true, false) => Part::First,
            (false, false) => Part::Next,
            (false, true) => Part::Last,
        };
        let rows = |k| self.train.step(k).1 as f64;
        (part, rows(k) / (first..end).map(rows).sum::<f64>())
    }

    /// Steps that one submission takes of data that are streamed.
    pub(super) fn at_once(&self, set: &Set) -> usize {
        self.engine.chunk(set.id).map_or(usize::MAX, |rows| (rows / set.batch).max(1))
    }

    /// A step's record has come back.
    fn took(&mut self, record: &Record, sent: &Sent, watch: &mut dyn FnMut(&Event) -> Flow) -> Result<Flow> {
        self.position.step += 1;
        self.position.step_in_epoch += 1;
        let epoch = f64::from(self.position.epoch) + self.rows_done() as f64 / self.train.used() as f64;
        let mut flow = Flow::Continue;
        for (m, scalars) in record.scalars.iter().enumerate() {
            if !self.goes_on(m) {
                continue;
            }
            if let Some(tensors) = record.telemetry.get(m)
                && self.tell(m, epoch, tensors, watch)? == Flow::Stop
            {
                flow = Flow::Stop;
            }
            let record = self.members[m].read(scalars);
            let said = if record[0].is_finite() {
                self.members[m].sums.add(&record, sent.rows);
                watch(&Event::Step(StepEvent {
                    member: self.named(m),
                    step: self.position.step,
                    epoch,
                    loss: record[0],
                    data_loss: record[1],
                    learning_rate: sent.learning_rates[m],
                    accuracy: (!record[3].is_nan()).then_some(record[3]),
                    rows: sent.rows,
                }))
            } else {
                let why = self.not_a_loss(m, record[0])?;
                self.diverge(m, why, watch)?
            };
            if said == Flow::Stop {
                flow = Flow::Stop;
            }
        }
        Ok(flow)
    }

    /// A member's number, where there are several.
    pub(super) fn named(&self, member: usize) -> Option<usize> {
        (self.members.len() > 1).then_some(member)
    }

    /// Checks, judges and saves what an epoch has made, and says it.
    pub(super) fn end_epoch(&mut self, seconds: f64, rows: f64, watch: &mut dyn FnMut(&Event) -> Flow) -> Result<Flow> {
        let mut flow = self.check_finite(watch)?;
        let last = self.update_of(self.position.epoch, self.steps_per_epoch() - 1);
        self.position.epoch += 1;
        self.position.step_in_epoch = 0;
        let validation = self.evaluate_all()?;
        let averaged = self.evaluate_averages()?;
        let mut events = Vec::with_capacity(self.members.len());
        let going: Vec<usize> = (0..self.members.len()).filter(|&m| self.goes_on(m)).collect();
        for m in going {
            let (sums, at) = (self.members[m].sums, self.moment(m, last));
            let learning_rate = self.recipe.rate(self.precision, self.rules.base(m), 1.0, &at)?;
            let validation = validation.as_ref().map(|all| all[m]);
            if let (Some(plateau), Some((loss, _)), Some(_)) =
                (self.recipe.schedule.plateau(), validation, self.recipe.schedule.behind(&at))
            {
                let own = &mut self.members[m];
                own.watch = plateau.after(self.rules.base(m), own.watch, loss);
            }
            let averaged = averaged.as_ref().map(|all| all[m]);
            events.push(EpochEvent {
                member: self.named(m),
                epoch: self.position.epoch,
                steps: self.position.step,
                train_loss: sums.data_loss / sums.rows,
                train_accuracy: sums.mean(sums.accuracy),
                val_loss: validation.map(|v| v.0),
                val_accuracy: validation.and_then(|v| v.1),
                average_val_loss: averaged.map(|v| v.0),
                average_val_accuracy: averaged.and_then(|v| v.1),
                penalty: sums.mean(sums.penalty),
                learning_rate,
                seconds,
                examples_per_second: rows / seconds,
                second_order: self.second.as_ref().and_then(|second| second.report),
            });
        }
        self.members.iter_mut().for_each(|member| member.sums = Default::default());
        self.save_epoch(&events)?;
        let mut diverged = false;
        for event in events {
            if watch(&Event::Epoch(event)) == Flow::Stop {
                flow = Flow::Stop;
            }
            if let Some(loss) = event.val_loss.filter(|loss| !loss.is_finite()) {
                let m = event.member.unwrap_or(0);
                let why = TrainError::NonFiniteValidation { loss, epoch: event.epoch, checkpoint: self.kept(m) };
                if self.diverge(m, why, watch)? == Flow::Stop {
                    flow = Flow::Stop;
                }
                diverged = true;
            }
        }
        if diverged {
            self.note()?;
        }
        Ok(flow)
    }
}

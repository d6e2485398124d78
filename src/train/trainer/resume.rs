//! How a trainer goes on from what it kept.

use std::path::Path;

use super::running::Sums;
use super::{Position, Trainer};
use crate::error::{CheckpointError, PopulationError, Result};
use crate::optim::Storage;
use crate::train::checkpoint::{self, Checkpoint, POPULATION, rewind_history};

impl Trainer {
    /// Goes on from the checkpoint in `folder`, on the same device with the same bits as if the run had never stopped;
    /// [`moved_from`](Self::moved_from) says whether it is another one. Members of a population that had diverged stay as
    /// they were.
    ///
    /// # Errors
    ///
    /// No checkpoint there, one of another model, one made with another seed, optimizer, convention or precision, or with
    /// other states of the optimizer, or one whose step no run of these data can have come to; a population of another size.
    /// A trainer that refuses is as it was.
    pub fn resume(&mut self, folder: &Path) -> Result<()> {
        if self.members.len() > 1 {
            return self.resume_population(folder);
        }
        if !folder.join(checkpoint::OPTIMIZER).exists()
            && let Some(note) = checkpoint::population(folder)?
        {
            return Err(PopulationError::Size { folder: folder.into(), found: note.members.len(), expected: 1 }.into());
        }
        let from = Checkpoint::load(folder)?;
        let (position, sums) = self.check_member(0, &from, folder)?;
        self.position = position;
        self.moved_from = self.other(&from.device);
        self.take_member(0, &from, sums, folder)
    }

    /// The members of a population, all at the step that its note says.
    fn resume_population(&mut self, folder: &Path) -> Result<()> {
        let Some(note) = checkpoint::population(folder)? else {
            let (found, expected) = (1, self.members.len());
            if folder.join(checkpoint::OPTIMIZER).exists() {
                return Err(PopulationError::Size { folder: folder.into(), found, expected }.into());
            }
            let (path, source) = (folder.join(POPULATION), std::io::ErrorKind::NotFound.into());
            return Err(CheckpointError::Unreadable { path, source }.into());
        };
        if note.members.len() != self.members.len() {
            let (found, expected) = (note.members.len(), self.members.len());
            return Err(PopulationError::Size { folder: folder.into(), found, expected }.into());
        }
        self.roll(folder, note.step)?;
        // All are looked at before one is taken.
        let going = |m: &usize| note.members[*m].diverged.is_none();
        let mut before = None;
        for m in (0..self.members.len()).filter(going) {
            let own = checkpoint::member_folder(folder, m);
            let from = Checkpoint::load(&own)?;
            if from.step != note.step {
                let (path, found) = (own.join(checkpoint::OPTIMIZER), from.step.to_string());
                let expected = format!("{}, as `{POPULATION}` says of all members", note.step);
                return Err(CheckpointError::Inconsistent { path, what: "step", found, expected }.into());
            }
            let (position, _) = self.check_member(m, &from, &own)?;
            let (first, _) = before.get_or_insert((position, self.other(&from.device)));
            if *first != position {
                let (path, what) = (own.join(checkpoint::OPTIMIZER), checkpoint::UPDATES);
                let count =
                    |position: &Position| self.updates_at(position).saturating_add_signed(position.before).to_string();
                let (found, expected) = (count(&position), format!("{}, as of the members before", count(first)));
                return Err(CheckpointError::Inconsistent { path, what, found, expected }.into());
            }
        }
        for m in 0..self.members.len() {
            let own = checkpoint::member_folder(folder, m);
            self.members[m].diverged = note.members[m].diverged.clone();
            if going(&m) {
                let from = Checkpoint::load(&own)?;
                let (_, sums) = self.check_member(m, &from, &own)?;
                self.take_member(m, &from, sums, &own)?;
            } else if own.join(checkpoint::OPTIMIZER).exists() {
                // Where it was when its numbers last were numbers: nothing goes on from there, but it may be read.
                let from = Checkpoint::load(&own)?;
                from.check_tensors(&own, &self.expected())?;
                self.put(m, &from)?;
                self.members[m].saved = true;
            }
        }
        if let Some((position, device)) = before {
            (self.position, self.moved_from) = (position, device);
        }
        Ok(())
    }

    /// Whether a member can go on from a checkpoint, and where it stands there.
    fn check_member(
        &self,
        member: usize,
        from: &Checkpoint,
        folder: &Path,
    ) -> Result<(Position, Sums), CheckpointError> {
        let rule = self.rules.rule();
        let (name, convention) = (rule.name(), rule.convention().to_string());
        from.check_settings(folder, self.members[member].seed, name, &convention, self.precision.name())?;
        from.check_tensors(folder, &self.expected())?;
        for (setting, expected) in self.course() {
            // Files of a version before these were kept pass.
            if let Some(&found) = from.scalars.get(setting).filter(|&&found| found != expected) {
                let (found, expected) = (said(setting, found), said(setting, expected));
                let path = folder.join(checkpoint::OPTIMIZER);
                return Err(CheckpointError::Differs { path, setting, found, expected });
            }
        }
        let (found, expected) = (from.states.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), rule.states());
        if found != expected && self.second.is_none() && !self.model.is_whole() {
            let (path, setting) = (folder.join(checkpoint::OPTIMIZER), "optimizer states");
            let (found, expected) = (found.join(", "), expected.join(", "));
            return Err(CheckpointError::Differs { path, setting, found, expected });
        }
        self.check_whole_states(from, folder)?;
        if from.averages.is_empty() == self.recipe.update.average.is_some() {
            let (path, setting) = (folder.join(checkpoint::OPTIMIZER), "average");
            let decay = |average: Option<f64>| said("average", average.unwrap_or(-1.0));
            let kept = (!from.averages.is_empty()).then(|| from.scalars.get("average").copied().unwrap_or(f64::NAN));
            let (found, expected) = (decay(kept), decay(self.recipe.update.average));
            return Err(CheckpointError::Differs { path, setting, found, expected });
        }
        super::watch::read(from, &folder.join(checkpoint::OPTIMIZER))?;
        self.standing(from, &folder.join(checkpoint::OPTIMIZER))
    }

    /// The device of before, where it is another one.
    fn other(&self, device: &str) -> Option<String> {
        (!device.is_empty() && device != self.device).then(|| device.to_owned())
    }

    /// A member goes on from a checkpoint that was found to be good.
    fn take_member(&mut self, member: usize, from: &Checkpoint, sums: Sums, folder: &Path) -> Result<()> {
        let watch = super::watch::read(from, &folder.join(checkpoint::OPTIMIZER))?;
        self.retuned |= !from.kernels.agree(&self.engine.choices());
        self.put(member, from)?;
        let states: Vec<_> = from.states.iter().map(|(_, tensors)| values(tensors)).collect();
        if self.second.is_some() {
            self.restore_second(from, &states, &folder.join(checkpoint::OPTIMIZER))?;
        } else if self.model.is_whole() {
            self.put_whole_states(member, from)?;
        } else {
            self.engine.set_states(member, &states)?;
        }
        if self.recipe.update.average.is_some() {
            self.engine.set_averages(member, &values(&from.averages))?;
        }
        let counted = |name: &String| {
            let kept = from.counters.iter().find(|c| c.name == *name).map_or(0, |c| c.value);
            i64::try_from(kept).unwrap_or(i64::MAX) - from.step as i64
        };
        let own = &mut self.members[member];
        own.counted = self.model.built.counters.iter().map(counted).collect();
        (own.sums, own.watch, own.saved) = (sums, watch, true);
        rewind_history(folder, from.epoch, from.step)?;
        Ok(())
    }

    fn put(&mut self, member: usize, from: &Checkpoint) -> Result<()> {
        self.engine.set_parameters(member, &values(&from.parameters))?;
        Ok(self.engine.set_buffers(member, &self.joined(&values(&from.buffers)))?)
    }

    /// Where a checkpoint's run stood, if a run of these data and minibatches can stand there.
    fn standing(&self, from: &Checkpoint, path: &Path) -> Result<(Position, Sums), CheckpointError> {
        let wrong = |what: &'static str, found: String, expected: String| {
            Err(CheckpointError::Inconsistent { path: path.into(), what, found, expected })
        };
        let steps = self.steps_per_epoch() as u64;
        let done = u64::from(from.step_in_epoch);
        if done > steps {
            return wrong("step_in_epoch", done.to_string(), format!("at most the {steps} steps of an epoch"));
        }
        // Below 2⁶⁴: data have at most 2³² − 1 rows, and so an epoch as many steps.
        let expected = u64::from(from.epoch) * steps + done;
        if from.step != expected {
            let expected = format!("{expected}: {} epochs of {steps} steps and {done} more", from.epoch);
            return wrong("step", from.step.to_string(), expected);
        }
        // A device counts steps in 32 bits.
        if u32::try_from(from.step).is_err() {
            return wrong("step", from.step.to_string(), format!("at most {}", u32::MAX));
        }
        let sum = |name: &str| from.scalars.get(name).copied().unwrap_or(0.0);
        let sums =
            Sums { rows: sum("rows"), data_loss: sum("data_loss"), penalty: sum("penalty"), accuracy: sum("accuracy") };
        let rows = (from.step_in_epoch as usize).saturating_mul(self.train.batch).min(self.train.used()) as f64;
        if sums.rows != rows {
            return wrong("rows", sums.rows.to_string(), format!("{rows}: those of {done} steps"));
        }
        if !sums.data_loss.is_finite() {
            return wrong("data_loss", sums.data_loss.to_string(), "a finite number".into());
        }
        // NaN is what a graph without a penalty or an accuracy adds up to.
        for (what, sum) in [("penalty", sums.penalty), ("accuracy", sums.accuracy)] {
            if sum.is_infinite() {
                return wrong(what, sum.to_string(), "a finite number, or NaN for none".into());
            }
        }
        let mut position =
            Position { step: from.step, epoch: from.epoch, step_in_epoch: from.step_in_epoch as usize, before: 0 };
        // Files of a version before these were kept began with none.
        if let Some(&found) = from.scalars.get(checkpoint::UPDATES) {
            if !((0.0..=2f64.powi(54)).contains(&found) && found.fract() == 0.0) {
                return wrong(checkpoint::UPDATES, found.to_string(), "a whole number, at most 2⁵⁴".into());
            }
            position.before = found as i64 - self.updates_at(&position) as i64;
        }
        Ok((position, sums))
    }
}

/// A number of the [course](Trainer::course) in words.
fn said(setting: &str, number: f64) -> String {
    match setting {
        "optimizer.state" => {
            Storage::ALL.iter().find(|&&s| f64::from(s as u8) == number).map_or("?", |s| s.name()).into()
        }
        "average" if number < 0.0 => "none".into(),
        _ => number.to_string(),
    }
}

fn values(tensors: &[checkpoint::Tensor]) -> Vec<Vec<f64>> {
    tensors.iter().map(|t| t.data.to_f64()).collect()
}

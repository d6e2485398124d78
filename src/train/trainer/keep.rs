//! What a trainer keeps in a folder, and how it goes on from there.

use std::path::{Path, PathBuf};

use super::{Position, Sums, Trainer};
use crate::data::Values;
use crate::device::{Precision, Tensor};
use crate::error::{CheckpointError, Result};
use crate::nn::BufferSpec;
use crate::train::checkpoint::{self, Checkpoint, Counter, append_history, rewind_history};
use crate::train::event::EpochEvent;
use crate::train::set::judging;
use crate::train::weights::{Weights, rows};

impl Trainer {
    /// Keeps checkpoints and history in `folder` from now on; makes it if there is none.
    ///
    /// # Errors
    ///
    /// If it cannot be made or is not a folder.
    pub fn keep_in(&mut self, folder: &Path) -> Result<()> {
        let unwritable = |source| CheckpointError::Unwritable { path: folder.into(), source };
        std::fs::create_dir_all(folder).map_err(unwritable)?;
        self.folder = Some(folder.into());
        Ok(())
    }

    /// Starts from the weights and buffers in a safetensors file, by PyTorch's names.
    ///
    /// # Errors
    ///
    /// All missing, extra and mis-shaped tensors in one error; a number that the device's floats do not hold; a file that
    /// cannot be read.
    pub fn load_weights(&mut self, file: &Path) -> Result<()> {
        let Weights { parameters, buffers, counters } = Weights::read_for(file, &self.model.built, self.precision)?;
        self.engine.set_parameters(0, &parameters)?;
        self.engine.set_buffers(0, &buffers)?;
        let done = self.position.step as i64;
        self.model.counted = counters.iter().map(|&n| i64::try_from(n).unwrap_or(i64::MAX) - done).collect();
        Ok(())
    }

    /// Goes on from the checkpoint in `folder`, on the same device with the same bits as if the run had never stopped;
    /// [`moved_from`](Self::moved_from) says whether it is another one.
    ///
    /// # Errors
    ///
    /// No checkpoint there, one of another model, one made with another seed, optimizer, convention or precision, or with
    /// other states of the optimizer, or one whose step no run of these data can have come to.
    pub fn resume(&mut self, folder: &Path) -> Result<()> {
        let from = Checkpoint::load(folder)?;
        let rule = &self.recipe.optimizer;
        let (name, convention) = (rule.name(), rule.convention().to_string());
        from.check_settings(folder, self.recipe.seed, name, &convention, self.precision.name())?;
        from.check_tensors(folder, &self.expected())?;
        for (setting, expected) in self.course() {
            // Files of a version before these were kept pass.
            if let Some(&found) = from.scalars.get(setting).filter(|&&found| found != expected) {
                let (found, expected) = (found.to_string(), expected.to_string());
                let path = folder.join(checkpoint::OPTIMIZER);
                return Err(CheckpointError::Differs { path, setting, found, expected }.into());
            }
        }
        let (found, expected) = (from.states.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), rule.states());
        if found != expected && self.second.is_none() {
            let (path, setting) = (folder.join(checkpoint::OPTIMIZER), "optimizer states");
            let (found, expected) = (found.join(", "), expected.join(", "));
            return Err(CheckpointError::Differs { path, setting, found, expected }.into());
        }
        let (position, sums) = self.standing(&from, &folder.join(checkpoint::OPTIMIZER))?;
        let values = |tensors: &[checkpoint::Tensor]| tensors.iter().map(|t| t.data.to_f64()).collect::<Vec<_>>();
        self.engine.set_parameters(0, &values(&from.parameters))?;
        self.engine.set_buffers(0, &self.joined(&values(&from.buffers)))?;
        let counted = |name: &String| {
            let kept = from.counters.iter().find(|c| c.name == *name).map_or(0, |c| c.value);
            i64::try_from(kept).unwrap_or(i64::MAX) - from.step as i64
        };
        self.model.counted = self.model.built.counters.iter().map(counted).collect();
        let states: Vec<_> = from.states.iter().map(|(_, tensors)| values(tensors)).collect();
        if self.second.is_some() {
            self.restore_second(&from, states, &folder.join(checkpoint::OPTIMIZER))?;
        } else {
            self.engine.set_states(0, &states)?;
        }
        (self.position, self.sums) = (position, sums);
        self.moved_from = Some(from.device).filter(|device| !device.is_empty() && *device != self.device);
        rewind_history(folder, from.epoch, from.step)?;
        self.saved = true;
        Ok(())
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
        let position = Position { step: from.step, epoch: from.epoch, step_in_epoch: from.step_in_epoch as usize };
        Ok((position, sums))
    }

    /// The run between two steps.
    ///
    /// # Errors
    ///
    /// A lost device.
    pub fn checkpoint(&mut self) -> Result<Checkpoint> {
        let rule = &self.recipe.optimizer;
        let (name, convention, states) = (rule.name(), rule.convention(), rule.states());
        let named = |values: Vec<Vec<f64>>, tensors: &[Tensor], precision: Precision| -> Vec<checkpoint::Tensor> {
            let hold = |v: Vec<f64>| match precision {
                Precision::F32 => Values::F32(v.iter().map(|&x| x as f32).collect()),
                Precision::F64 => Values::F64(v),
            };
            let pairs = tensors.iter().zip(values);
            pairs
                .map(|(t, v)| checkpoint::Tensor { name: t.name.clone(), shape: t.shape.clone(), data: hold(v) })
                .collect()
        };
        let rows = self.rows()?;
        let tensors = &self.model.tensors;
        let parameters = named(self.engine.parameters(0)?, tensors, self.precision);
        let buffers = named(rows, &self.row_names(), self.precision);
        let counters = self.model.built.counters.iter().zip(&self.model.counted);
        let counters = counters
            .map(|(name, n)| Counter {
                name: name.clone(),
                value: n.saturating_add(self.position.step as i64).max(0) as u64,
            })
            .collect();
        let held = match self.second {
            None => states.iter().map(|&state| state.to_owned()).zip(self.engine.states(0)?).collect(),
            Some(_) => self.vectors_of_second()?,
        };
        let tensors = &self.model.tensors;
        let states = held.into_iter().map(|(state, values)| (state, named(values, tensors, self.precision))).collect();
        let sums = self.sums;
        Ok(Checkpoint {
            parameters,
            buffers,
            counters,
            states,
            step: self.position.step,
            epoch: self.position.epoch,
            step_in_epoch: self.position.step_in_epoch as u32,
            seed: self.recipe.seed,
            optimizer: name.into(),
            convention: convention.to_string(),
            precision: self.precision.name().into(),
            device: self.device.clone(),
            scalars: [
                ("rows", sums.rows),
                ("data_loss", sums.data_loss),
                ("penalty", sums.penalty),
                ("accuracy", sums.accuracy),
            ]
            .into_iter()
            .chain(self.course())
            .chain(self.judged_in())
            .map(|(name, value)| (name.to_owned(), value))
            .chain(self.numbers_of_second())
            .collect(),
        })
    }

    pub(super) fn save(&mut self) -> Result<()> {
        if let Some(folder) = self.folder.clone() {
            self.checkpoint()?.save(&folder)?;
            self.saved = true;
        }
        Ok(())
    }

    /// The history first: a line too many, after a crash in between, is dropped by a resume; a line too few is lost.
    pub(super) fn save_epoch(&mut self, event: &EpochEvent) -> Result<()> {
        if let Some(folder) = &self.folder {
            let line = serde_json::to_value(event).expect("an epoch's numbers are JSON");
            append_history(folder, &line)?;
        }
        self.save()
    }

    /// The folder, if a checkpoint lies in it.
    pub(super) fn kept(&self) -> Option<PathBuf> {
        self.folder.clone().filter(|_| self.saved)
    }

    /// What decides which rows a step takes and how it sees them: a step of the epoch means nothing under another.
    fn course(&self) -> [(&'static str, f64); 6] {
        let (flag, augment) = (|yes: bool| f64::from(u8::from(yes)), &self.recipe.augment);
        [
            ("training_rows", self.train.rows as f64),
            ("batch_size", self.train.batch as f64),
            ("shuffle", flag(self.recipe.shuffle)),
            ("drop_last", flag(self.recipe.drop_last)),
            ("crop_padding", augment.crop_padding as f64),
            ("horizontal_flip", flag(augment.horizontal_flip)),
        ]
    }

    /// Rows of a minibatch of validation, where memory was too short for the usual ones.
    fn judged_in(&self) -> Option<(&'static str, f64)> {
        let set = self.validation.as_ref()?;
        let [wide, _] = judging(self.recipe.batch_size, set.rows);
        (set.batch < wide).then_some((checkpoint::VALIDATION_BATCH, set.batch as f64))
    }

    fn expected(&self) -> Vec<(String, crate::shape::Shape)> {
        let rows = self.row_names();
        self.model.tensors.iter().chain(&rows).map(|t| (t.name.clone(), t.shape.clone())).collect()
    }

    /// The rows of the model's buffers: tensors of their own in files.
    fn row_names(&self) -> Vec<Tensor> {
        rows(&self.model.built.buffers).map(|(name, shape)| Tensor { name, shape }).collect()
    }

    /// The buffers as files hold them, row by row.
    pub(super) fn rows(&mut self) -> Result<Vec<Vec<f64>>> {
        let held = self.engine.buffers(0)?;
        let cut = |(b, values): (&BufferSpec, Vec<f64>)| {
            let len = b.shape.elements();
            (0..b.rows.len()).map(|r| values[r * len..][..len].to_vec()).collect::<Vec<_>>()
        };
        Ok(self.model.built.buffers.iter().zip(held).flat_map(cut).collect())
    }

    /// The buffers as the device holds them.
    fn joined(&self, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut rows = rows.iter();
        let buffer = |b: &BufferSpec| rows.by_ref().take(b.rows.len()).flatten().copied().collect();
        self.model.built.buffers.iter().map(buffer).collect()
    }
}

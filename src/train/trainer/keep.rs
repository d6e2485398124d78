//! What a trainer keeps in a folder.

use std::path::{Path, PathBuf};

use super::Trainer;
use crate::data::Values;
use crate::device::{Precision, Tensor};
use crate::error::{CheckpointError, Result};
use crate::nn::BufferSpec;
use crate::train::checkpoint::{self, Checkpoint, Counter, append_history, member_folder};
use crate::train::event::EpochEvent;
use crate::train::set::judging;
use crate::train::weights::{Weights, rows};

impl Trainer {
    /// Keeps checkpoints and history in `folder` from now on; makes it if there is none. Each member of a population has a
    /// [folder](member_folder) of its own in it.
    ///
    /// # Errors
    ///
    /// If it cannot be made or is not a folder.
    pub fn keep_in(&mut self, folder: &Path) -> Result<()> {
        let unwritable = |source| CheckpointError::Unwritable { path: folder.into(), source };
        std::fs::create_dir_all(folder).map_err(unwritable)?;
        self.folder = Some(folder.into());
        for folder in (0..self.members.len()).filter_map(|m| self.folder_of(m)) {
            let unwritable = |source| CheckpointError::Unwritable { path: folder.clone(), source };
            std::fs::create_dir_all(&folder).map_err(unwritable)?;
        }
        Ok(())
    }

    /// The folder that holds a member's files: the run's own in a run of one model.
    pub(super) fn folder_of(&self, member: usize) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(if self.members.len() == 1 { folder.clone() } else { member_folder(folder, member) })
    }

    /// Starts from the weights and buffers in a safetensors file, by PyTorch's names; every member of a population does.
    ///
    /// # Errors
    ///
    /// All missing, extra and mis-shaped tensors in one error; a number that the device's floats do not hold; a file that
    /// cannot be read.
    pub fn load_weights(&mut self, file: &Path) -> Result<()> {
        let Weights { parameters, buffers, counters } = Weights::read_for(file, &self.model.built, self.precision)?;
        let done = self.position.step as i64;
        for (m, member) in self.members.iter_mut().enumerate() {
            self.engine.set_parameters(m, &parameters)?;
            self.engine.set_buffers(m, &buffers)?;
            member.counted = counters.iter().map(|&n| i64::try_from(n).unwrap_or(i64::MAX) - done).collect();
        }
        Ok(())
    }

    /// The run between two steps; of a population its member 0.
    ///
    /// # Errors
    ///
    /// A lost device.
    pub fn checkpoint(&mut self) -> Result<Checkpoint> {
        self.checkpoint_of(0)
    }

    /// A member between two steps, as a run of it alone would be.
    ///
    /// # Errors
    ///
    /// A member that is not there, a lost device.
    pub fn checkpoint_of(&mut self, member: usize) -> Result<Checkpoint> {
        let rule = self.rules.rule();
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
        let rows = self.rows(member)?;
        let tensors = &self.model.tensors;
        let parameters = named(self.engine.parameters(member)?, tensors, self.precision);
        let buffers = named(rows, &self.row_names(), self.precision);
        let own = &self.members[member];
        let counters = self.model.built.counters.iter().zip(&own.counted);
        let counters = counters
            .map(|(name, n)| Counter {
                name: name.clone(),
                value: n.saturating_add(self.position.step as i64).max(0) as u64,
            })
            .collect();
        let precision = self.precision;
        let hold = move |v: Vec<f64>| match precision {
            Precision::F32 => Values::F32(v.iter().map(|&x| x as f32).collect()),
            Precision::F64 => Values::F64(v),
        };
        let whole = if self.model.is_whole() { self.whole_states(member, &hold)? } else { Vec::new() };
        let held = match self.second {
            _ if self.model.is_whole() => Vec::new(),
            None => states.iter().map(|&state| state.to_owned()).zip(self.engine.states(member)?).collect(),
            Some(_) => self.vectors_of_second()?,
        };
        let (tensors, own) = (&self.model.tensors, &self.members[member]);
        let states = held.into_iter().map(|(state, values)| (state, named(values, tensors, self.precision))).collect();
        let watched = super::watch::write(&own.watch);
        let averages = named(self.engine.averages(member)?, tensors, self.precision);
        let sums = own.sums;
        Ok(Checkpoint {
            parameters,
            buffers,
            counters,
            states,
            averages,
            kept: whole,
            step: self.position.step,
            epoch: self.position.epoch,
            step_in_epoch: self.position.step_in_epoch as u32,
            seed: own.seed,
            optimizer: name.into(),
            convention: convention.to_string(),
            precision: self.precision.name().into(),
            device: self.device.clone(),
            kernels: self.engine.choices(),
            scalars: [
                ("rows", sums.rows),
                ("data_loss", sums.data_loss),
                ("penalty", sums.penalty),
                ("accuracy", sums.accuracy),
            ]
            .into_iter()
            .chain(self.course())
            .chain([(
                checkpoint::UPDATES,
                self.updates_at(&self.position).saturating_add_signed(self.position.before) as f64,
            )])
            .chain(self.judged_in())
            .chain(watched)
            .map(|(name, value)| (name.to_owned(), value))
            .chain(self.numbers_of_second())
            .collect(),
        })
    }

    pub(super) fn save(&mut self) -> Result<()> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        if self.members.len() > 1 {
            return self.save_population(&folder);
        }
        self.checkpoint_of(0)?.save(&folder)?;
        self.members[0].saved = true;
        Ok(())
    }

    /// The history first: a line too many, after a crash in between, is dropped by a resume; a line too few is lost.
    pub(super) fn save_epoch(&mut self, events: &[EpochEvent]) -> Result<()> {
        for event in events {
            if let Some(folder) = self.folder_of(event.member.unwrap_or(0)) {
                // In its own folder a member is a run of one.
                let alone = EpochEvent { member: None, ..*event };
                let line = serde_json::to_value(alone).expect("an epoch's numbers are JSON");
                append_history(&folder, &line)?;
            }
        }
        self.save()
    }

    /// A member's folder, if a checkpoint lies in it.
    pub(super) fn kept(&self, member: usize) -> Option<PathBuf> {
        self.folder_of(member).filter(|_| self.members[member].saved)
    }

    /// What decides which rows a step takes and how it sees them: a step of the epoch means nothing under another.
    pub(super) fn course(&self) -> [(&'static str, f64); 11] {
        let (flag, augment) = (|yes: bool| f64::from(u8::from(yes)), &self.recipe.augment);
        let order = self.recipe.shuffle_seed.unwrap_or(self.recipe.seed);
        [
            ("training_rows", self.train.rows as f64),
            ("batch_size", self.train.batch as f64),
            ("shuffle", flag(self.recipe.shuffle)),
            // f64 holds no whole number of 64 bits.
            ("shuffle_seed", (order & 0xFFFF_FFFF) as f64),
            ("shuffle_seed_high", (order >> 32) as f64),
            ("drop_last", flag(self.recipe.drop_last)),
            ("accumulate", self.recipe.update.accumulate as f64),
            ("average", self.recipe.update.average.unwrap_or(-1.0)),
            ("optimizer.state", self.recipe.update.storage as u8 as f64),
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

    pub(super) fn expected(&self) -> Vec<(String, crate::shape::Shape)> {
        let rows = self.row_names();
        self.model.tensors.iter().chain(&rows).map(|t| (t.name.clone(), t.shape.clone())).collect()
    }

    /// The rows of the model's buffers: tensors of their own in files.
    fn row_names(&self) -> Vec<Tensor> {
        rows(&self.model.built.buffers).map(|(name, shape)| Tensor { name, shape }).collect()
    }

    /// The buffers as files hold them, row by row.
    pub(super) fn rows(&mut self, member: usize) -> Result<Vec<Vec<f64>>> {
        let held = self.engine.buffers(member)?;
        let cut = |(b, values): (&BufferSpec, Vec<f64>)| {
            let len = b.shape.elements();
            (0..b.rows.len()).map(|r| values[r * len..][..len].to_vec()).collect::<Vec<_>>()
        };
        Ok(self.model.built.buffers.iter().zip(held).flat_map(cut).collect())
    }

    /// The buffers as the device holds them.
    pub(super) fn joined(&self, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut rows = rows.iter();
        let buffer = |b: &BufferSpec| rows.by_ref().take(b.rows.len()).flatten().copied().collect();
        self.model.built.buffers.iter().map(buffer).collect()
    }
}

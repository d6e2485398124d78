//! What a trainer keeps in a folder, and how it goes on from there.

use std::path::{Path, PathBuf};

use super::{Position, Sums, Trainer};
use crate::data::Values;
use crate::device::{Precision, Tensor};
use crate::error::{CheckpointError, Result};
use crate::train::checkpoint::{self, Checkpoint, append_history, read_weights, rewind_history};
use crate::train::event::EpochEvent;

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

    /// Starts from the weights in a safetensors file, by PyTorch's names.
    ///
    /// # Errors
    ///
    /// All missing, extra and mis-shaped tensors in one error; a file that cannot be read.
    pub fn load_weights(&mut self, file: &Path) -> Result<()> {
        let values = read_weights(file, &self.expected())?;
        let values: Vec<Vec<f64>> = values.iter().map(Values::to_f64).collect();
        Ok(self.engine.set_parameters(0, &values)?)
    }

    /// Goes on from the checkpoint in `folder`, with the same bits as if the run had never stopped.
    ///
    /// # Errors
    ///
    /// No checkpoint there, one of another model, or one made with another seed, optimizer, convention or precision.
    pub fn resume(&mut self, folder: &Path) -> Result<()> {
        let from = Checkpoint::load(folder)?;
        let rule = &self.recipe.optimizer;
        let (name, convention) = (rule.name(), rule.convention().to_string());
        from.check_settings(folder, self.recipe.seed, name, &convention, self.precision.name())?;
        from.check_parameters(folder, &self.expected())?;
        for (setting, expected) in self.course() {
            // Files of a version before these were kept pass.
            if let Some(&found) = from.scalars.get(setting).filter(|&&found| found != expected) {
                let (found, expected) = (found.to_string(), expected.to_string());
                let path = folder.join(checkpoint::OPTIMIZER);
                return Err(CheckpointError::Differs { path, setting, found, expected }.into());
            }
        }
        let values = |tensors: &[checkpoint::Tensor]| tensors.iter().map(|t| t.data.to_f64()).collect::<Vec<_>>();
        self.engine.set_parameters(0, &values(&from.parameters))?;
        let states: Vec<_> = from.states.iter().map(|(_, tensors)| values(tensors)).collect();
        self.engine.set_states(0, &states)?;
        let step_in_epoch = from.step_in_epoch as usize;
        self.position = Position { step: from.step, epoch: from.epoch, step_in_epoch };
        let sum = |name: &str| from.scalars.get(name).copied().unwrap_or(0.0);
        self.sums =
            Sums { rows: sum("rows"), data_loss: sum("data_loss"), penalty: sum("penalty"), accuracy: sum("accuracy") };
        rewind_history(folder, from.epoch, from.step)?;
        self.saved = true;
        Ok(())
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
        let parameters = named(self.engine.parameters(0)?, &self.tensors, self.precision);
        let held = self.engine.states(0)?;
        let states = states
            .iter()
            .zip(held)
            .map(|(state, values)| ((*state).to_owned(), named(values, &self.tensors, self.precision)))
            .collect();
        let sums = self.sums;
        Ok(Checkpoint {
            parameters,
            states,
            step: self.position.step,
            epoch: self.position.epoch,
            step_in_epoch: self.position.step_in_epoch as u32,
            seed: self.recipe.seed,
            optimizer: name.into(),
            convention: convention.to_string(),
            precision: self.precision.name().into(),
            scalars: [
                ("rows", sums.rows),
                ("data_loss", sums.data_loss),
                ("penalty", sums.penalty),
                ("accuracy", sums.accuracy),
            ]
            .into_iter()
            .chain(self.course())
            .map(|(name, value)| (name.to_owned(), value))
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

    pub(super) fn save_epoch(&mut self, event: &EpochEvent) -> Result<()> {
        self.save()?;
        if let Some(folder) = &self.folder {
            let line = serde_json::to_value(event).expect("an epoch's numbers are JSON");
            append_history(folder, &line)?;
        }
        Ok(())
    }

    /// The folder, if a checkpoint lies in it.
    pub(super) fn kept(&self) -> Option<PathBuf> {
        self.folder.clone().filter(|_| self.saved)
    }

    /// What decides which rows a step takes: a step of the epoch means nothing under another.
    fn course(&self) -> [(&'static str, f64); 3] {
        let shuffle = if self.recipe.shuffle { 1.0 } else { 0.0 };
        [("training_rows", self.train.rows as f64), ("batch_size", self.train.batch as f64), ("shuffle", shuffle)]
    }

    fn expected(&self) -> Vec<(String, crate::shape::Shape)> {
        self.tensors.iter().map(|t| (t.name.clone(), t.shape.clone())).collect()
    }
}

//! What a run leaves in its folder, and how it goes on from there.
//!
//! | file | holds |
//! |---|---|
//! | `optimizer.safetensors` | everything that resuming needs: the step, the parameters, the optimizer's state |
//! | `model.safetensors` | the parameters and buffers alone, by PyTorch's names: what other programs read |
//! | `average.safetensors` | the same of the parameters' running average, where one is kept |
//! | `run.toml` | what made the run |
//! | `standardisation.json` | what the data were standardised by, if they were |
//! | `classes.json` | the names of the classes, if the data have any |
//! | `history.jsonl` | what it said on the way |
//! | `population.json` | of a population alone: its step, and each member's numbers; `member-0` and so on hold the files above |
//!
//! **Why the parameters stand twice.** Each file is replaced by one rename, but two renames are not one: a crash
//! between them leaves parameters of one step beside the state of another, and a run that goes on from such a pair is
//! wrong without a sign. So one file is the whole truth for resuming, and `model.safetensors`, written after it, is a
//! copy for others that is never resumed from; at worst it is one checkpoint older, and [`model_step`] says which. It
//! costs a third more space under Adam.
//!
//! In `optimizer.safetensors` the parameter `0.weight` is called `param.0.weight`, its state `exp_avg`
//! `state.0.weight.exp_avg`, and the buffer `1.running_mean` `buffer.1.running_mean`; the rest is JSON under the key `thalweg` of the file's metadata. Numbers are `F32` or
//! `F64` as the device held them, bit for bit.
//!
//! The states have PyTorch's names and, in the `pytorch` convention, its meaning, so that its optimizers go on from them
//! (`updates` among the scalars is what bias corrections count); [`Trainer::load_optimizer`](crate::train::Trainer::load_optimizer)
//! is the way back:
//!
//! ```python
//! def load_optimizer(optimizer, model, path):
//!     tensors = safetensors.torch.load_file(path)
//!     with safetensors.safe_open(path, "pt") as file:
//!         note = json.loads(file.metadata()["thalweg"])
//!     step = float(note["scalars"]["updates"])
//!     for name, p in model.named_parameters():
//!         state = {field: tensors[f"state.{name}.{field}"].to(p.dtype) for field in note["states"]}
//!         optimizer.state[p] = {"step": torch.tensor(step), **state}
//! ```

mod atomic;
mod classes;
mod history;
mod kernels;
mod note;
mod population;
mod tensors;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use self::atomic::write_atomic;
pub use self::classes::class_names;
pub use self::history::{append_history, rewind_history};
pub use self::kernels::kernels;
pub(super) use self::kernels::model_kernels;
use self::note::{ModelNote, Note};
pub use self::population::{MemberNote, PopulationNote, population};
pub(super) use self::population::{settle_next, write_next};
use self::tensors::Held;
pub(super) use self::tensors::{Any, read_any, read_model};
pub use self::tensors::{Counter, Tensor, read_weights};
use crate::device::gpu::Choices;
pub use crate::error::{CheckpointError, Misshaped, Mistyped};
use crate::shape::Shape;

/// The parameters, by PyTorch's names.
pub const MODEL: &str = "model.safetensors";
/// The running average of the parameters with the buffers, where one is kept: of the same form.
pub const AVERAGE: &str = "average.safetensors";
/// All that resuming needs.
pub const OPTIMIZER: &str = "optimizer.safetensors";
/// What made the run.
pub const RUN: &str = "run.toml";
/// Means and standard deviations that the data were standardised by, if they were.
pub const STANDARDISATION: &str = "standardisation.json";
/// The names of the classes in their order, a JSON list, where the run's data have any.
pub const CLASSES: &str = "classes.json";
/// What it said on the way.
pub const HISTORY: &str = "history.jsonl";
/// Where a population stands and what its members are; their files lie in [`member_folder`]s beside it.
pub const POPULATION: &str = "population.json";

/// The folder of a member within its population's: an ordinary run's.
///
/// ```
/// use thalweg::train::checkpoint::member_folder;
/// assert_eq!(member_folder("runs/digits-1".as_ref(), 3), std::path::Path::new("runs/digits-1/member-3"));
/// ```
pub fn member_folder(population: &Path, member: usize) -> PathBuf {
    population.join(format!("member-{member}"))
}

/// Among a checkpoint's scalars: updates that the optimizer's state has seen, those before the run included.
pub(super) const UPDATES: &str = "updates";

/// Among a checkpoint's scalars: rows of a minibatch of validation, where memory was too short for the usual ones.
pub(super) const VALIDATION_BATCH: &str = "validation_batch";

/// A run between two steps: enough to go on with the same bits.
///
/// ```
/// use thalweg::Shape;
/// use thalweg::data::Values;
/// use thalweg::train::checkpoint::{Checkpoint, Tensor};
/// let tensor = |x| Tensor { name: "0.weight".into(), shape: Shape::from([2]), data: Values::F32(x) };
/// let before = Checkpoint {
///     parameters: vec![tensor(vec![0.5, -0.0])],
///     states: vec![("exp_avg".into(), vec![tensor(vec![1e-40, 0.25])])],
///     step: 30,
///     epoch: 1,
///     step_in_epoch: 7,
///     optimizer: "adam".into(),
///     ..Checkpoint::default()
/// };
/// let folder = tempfile::tempdir()?;
/// before.save(folder.path())?;
/// assert_eq!(Checkpoint::load(folder.path())?, before);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// The parameters, in the model's order.
    pub parameters: Vec<Tensor>,
    /// What is kept beside the parameters without being learnt: running statistics.
    pub buffers: Vec<Tensor>,
    /// Counts of training steps that the model's file holds.
    pub counters: Vec<Counter>,
    /// The optimizer's state by name (`exp_avg`): one tensor for each parameter, of its name and shape.
    pub states: Vec<(String, Vec<Tensor>)>,
    /// The running averages of the parameters, each of its name and shape; empty where none are kept.
    pub averages: Vec<Tensor>,
    /// The states of a rule that takes some tensors whole, instead of `states`: each named as its parameter with the state's name
    /// behind it, of a shape of its own.
    pub kept: Vec<Tensor>,
    /// Steps done since the start of the run.
    pub step: u64,
    /// The epoch the next step belongs to, from 0.
    pub epoch: u32,
    /// Steps done in that epoch.
    pub step_in_epoch: u32,
    /// The run's seed.
    pub seed: u64,
    /// The optimizer's name.
    pub optimizer: String,
    /// Whose arithmetic it follows.
    pub convention: String,
    /// `"f32"` or `"f64"`.
    pub precision: String,
    /// `"cpu"` or the adapter's name; empty in files of a version that did not keep it.
    pub device: String,
    /// The kernel variants that computed it; empty where there was nothing to choose.
    pub kernels: Choices,
    /// Other numbers that the run carries (the best validation loss); NaN and infinities allowed, kept exactly.
    pub scalars: BTreeMap<String, f64>,
}

fn parameter_name(name: &str) -> String {
    format!("param.{name}")
}

fn buffer_name(name: &str) -> String {
    format!("buffer.{name}")
}

fn average_name(name: &str) -> String {
    format!("average.{name}")
}

fn kept_name(name: &str) -> String {
    format!("state.{name}")
}

fn state_name(parameter: &str, state: &str) -> String {
    format!("state.{parameter}.{state}")
}

impl Checkpoint {
    /// Writes `optimizer.safetensors`, then `model.safetensors`, each atomically, into a folder that exists.
    ///
    /// # Errors
    ///
    /// If a file cannot be written: the one before it is kept. If a tensor does not fill its shape, two have one name,
    /// or a state does not go with the parameters.
    pub fn save(&self, folder: &Path) -> Result<(), CheckpointError> {
        self.save_as([&folder.join(OPTIMIZER), &folder.join(MODEL), &folder.join(AVERAGE)])
    }

    /// [`save`](Self::save) under other names.
    pub(super) fn save_as(&self, [path, model, average]: [&Path; 3]) -> Result<(), CheckpointError> {
        let shapes: Vec<_> = self.parameters.iter().map(|t| (t.name.clone(), t.shape.clone())).collect();
        let mut all: Vec<_> = self.parameters.iter().map(|t| (parameter_name(&t.name), Held::Floats(t))).collect();
        all.extend(self.buffers.iter().map(|t| (buffer_name(&t.name), Held::Floats(t))));
        for (state, tensors) in &self.states {
            let found: Vec<_> = tensors.iter().map(|t| (t.name.clone(), t.shape.clone())).collect();
            compare(path, &shapes, &found)?;
            all.extend(tensors.iter().map(|t| (state_name(&t.name, state), Held::Floats(t))));
        }
        let averaged = !self.averages.is_empty();
        if averaged {
            let found: Vec<_> = self.averages.iter().map(|t| (t.name.clone(), t.shape.clone())).collect();
            compare(path, &shapes, &found)?;
            all.extend(self.averages.iter().map(|t| (average_name(&t.name), Held::Floats(t))));
        }
        all.extend(self.kept.iter().map(|t| (kept_name(&t.name), Held::Floats(t))));
        let note = Note {
            format: note::FORMAT,
            step: self.step,
            epoch: self.epoch,
            step_in_epoch: self.step_in_epoch,
            seed: self.seed,
            optimizer: self.optimizer.clone(),
            convention: self.convention.clone(),
            precision: self.precision.clone(),
            device: self.device.clone(),
            kernels: self.kernels.clone(),
            parameters: shapes.into_iter().map(|(name, _)| name).collect(),
            buffers: self.buffers.iter().map(|t| t.name.clone()).collect(),
            counters: self.counters.iter().map(|c| (c.name.clone(), c.value)).collect(),
            states: self.states.iter().map(|(name, _)| name.clone()).collect(),
            averaged,
            kept: self.kept.iter().map(|t| t.name.clone()).collect(),
            scalars: self.scalars.iter().map(|(name, x)| (name.clone(), x.to_string())).collect(),
        };
        tensors::write(path, &all, json(&note))?;
        let validation_batch = self.scalars.get(VALIDATION_BATCH).map(|&rows| rows as usize);
        let note = ModelNote { step: self.step, validation_batch, kernels: self.kernels.clone() };
        if averaged {
            tensors::write(average, &self.model_of(&self.averages), json(&note))?;
        }
        tensors::write(model, &self.model_of(&self.parameters), json(&note))
    }

    /// These parameters with the buffers and counts: what a model's file holds.
    fn model_of<'a>(&'a self, parameters: &'a [Tensor]) -> Vec<(String, Held<'a>)> {
        let floats = parameters.iter().chain(&self.buffers).map(|t| (t.name.clone(), Held::Floats(t)));
        let counts = self.counters.iter().map(|c| (c.name.clone(), Held::Count(c.value)));
        floats.chain(counts).collect()
    }

    /// Reads `optimizer.safetensors` of a run's folder.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is cut short, lacks a tensor or has one too many, or no run wrote it.
    pub fn load(folder: &Path) -> Result<Self, CheckpointError> {
        let path = folder.join(OPTIMIZER);
        let file = tensors::File::open(&path)?;
        let note = Note::read(&file, &path)?;
        let mut shapes = file.shapes(&path)?;
        // The state of a parameter has the parameter's shape, so the parameters say what every tensor should be.
        let mut shape_of = |name: &String, stored: String| (name.clone(), shapes.remove(&stored).unwrap_or_default());
        let parameters: Vec<_> = note.parameters.iter().map(|name| shape_of(name, parameter_name(name))).collect();
        let buffers: Vec<_> = note.buffers.iter().map(|name| shape_of(name, buffer_name(name))).collect();
        let mut expected: Vec<_> =
            parameters.iter().map(|(name, shape)| (parameter_name(name), shape.clone())).collect();
        expected.extend(buffers.iter().map(|(name, shape)| (buffer_name(name), shape.clone())));
        for state in &note.states {
            expected.extend(parameters.iter().map(|(name, shape)| (state_name(name, state), shape.clone())));
        }
        if note.averaged {
            expected.extend(parameters.iter().map(|(name, shape)| (average_name(name), shape.clone())));
        }
        let kept: Vec<_> = note.kept.iter().map(|name| shape_of(name, kept_name(name))).collect();
        expected.extend(kept.iter().map(|(name, shape)| (kept_name(name), shape.clone())));
        let mut values = file.read(&path, &expected, &[])?.0.into_iter();
        let mut take = |names: &[(String, Shape)]| -> Vec<Tensor> {
            let named = names.iter().zip(values.by_ref());
            named.map(|((name, shape), data)| Tensor { name: name.clone(), shape: shape.clone(), data }).collect()
        };
        let (tensors, rows) = (take(&parameters), take(&buffers));
        let states = note.states.iter().map(|state| (state.clone(), take(&parameters))).collect();
        let averages = if note.averaged { take(&parameters) } else { Vec::new() };
        let whole = take(&kept);
        let counters = note.counters.iter().map(|(name, value)| Counter { name: name.clone(), value: *value });
        Ok(Self {
            parameters: tensors,
            buffers: rows,
            counters: counters.collect(),
            states,
            averages,
            kept: whole,
            step: note.step,
            epoch: note.epoch,
            step_in_epoch: note.step_in_epoch,
            seed: note.seed,
            scalars: note.numbers(&path)?,
            optimizer: note.optimizer,
            convention: note.convention,
            precision: note.precision,
            device: note.device,
            kernels: note.kernels,
        })
    }

    /// Whether this is a checkpoint of the model with these parameters and buffers.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Mismatch`] lists every difference; `folder` is named in it.
    pub fn check_tensors(&self, folder: &Path, expected: &[(String, Shape)]) -> Result<(), CheckpointError> {
        let found: Vec<_> =
            self.parameters.iter().chain(&self.buffers).map(|t| (t.name.clone(), t.shape.clone())).collect();
        compare(&folder.join(OPTIMIZER), expected, &found)
    }

    /// Whether a run of this seed, optimizer, convention and precision can go on from here with the same bits.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Differs`] names the first setting that is another.
    pub fn check_settings(
        &self,
        folder: &Path,
        seed: u64,
        optimizer: &str,
        convention: &str,
        precision: &str,
    ) -> Result<(), CheckpointError> {
        for (setting, found, expected) in [
            ("seed", self.seed.to_string().as_str(), seed.to_string().as_str()),
            ("optimizer", &self.optimizer, optimizer),
            ("convention", &self.convention, convention),
            ("precision", &self.precision, precision),
        ] {
            if found != expected {
                return Err(CheckpointError::Differs {
                    path: folder.join(OPTIMIZER),
                    setting,
                    found: found.to_owned(),
                    expected: expected.to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// The step of a file like `optimizer.safetensors`.
pub(super) fn state_step(path: &Path) -> Result<u64, CheckpointError> {
    Ok(Note::read(&tensors::File::open(path)?, path)?.step)
}

/// The step whose parameters `model.safetensors` of a run's folder holds; none if another program wrote it.
///
/// # Errors
///
/// If the file cannot be read or is cut short.
pub fn model_step(folder: &Path) -> Result<Option<u64>, CheckpointError> {
    Ok(model_note(folder)?.map(|note| note.step))
}

/// Rows of a minibatch of the run's validation, where its memory was too short for the usual ones.
pub(super) fn validation_batch(folder: &Path) -> Result<Option<usize>, CheckpointError> {
    Ok(model_note(folder)?.and_then(|note| note.validation_batch).filter(|&rows| rows > 0))
}

fn model_note(folder: &Path) -> Result<Option<ModelNote>, CheckpointError> {
    let note = tensors::File::open(&folder.join(MODEL))?.note();
    Ok(note.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Every difference between two lists of names and shapes, in whatever order.
pub(super) fn compare(
    path: &Path,
    expected: &[(String, Shape)],
    found: &[(String, Shape)],
) -> Result<(), CheckpointError> {
    let by_name: BTreeMap<_, _> = found.iter().map(|(name, shape)| (name, shape)).collect();
    let known: BTreeMap<_, _> = expected.iter().map(|(name, shape)| (name, shape)).collect();
    let missing: Vec<_> = expected.iter().filter(|(name, _)| !by_name.contains_key(name)).cloned().collect();
    let extra: Vec<_> = found.iter().filter(|(name, _)| !known.contains_key(name)).cloned().collect();
    let misshaped: Vec<_> = expected
        .iter()
        .filter_map(|(name, expected)| {
            let found = by_name.get(name).filter(|&&found| found != expected)?;
            Some(Misshaped { name: name.clone(), expected: expected.clone(), found: (*found).clone() })
        })
        .collect();
    if missing.is_empty() && extra.is_empty() && misshaped.is_empty() {
        return Ok(());
    }
    Err(CheckpointError::Mismatch { path: path.into(), missing, extra, misshaped, wrong_dtype: Vec::new() })
}

/// Numbers, texts and lists of them have no way to fail as JSON.
fn json(note: &impl serde::Serialize) -> String {
    serde_json::to_string(note).unwrap_or_default()
}

//! The training loop.

mod admit;
mod evaluate;
mod explain;
mod keep;
mod optimizer;
mod population;
mod resume;
mod run;
mod running;
mod second;
mod telemetry;
mod trouble;
mod watch;
mod whole;

pub use evaluate::Judged;

use std::path::PathBuf;

use self::running::Running;
use super::event::Diverged;
use super::group;
use super::member::check_l2;
use super::recipe::Recipe;
use super::rules::Rules;
use super::set::{Set, build};
use crate::data::Split;
use crate::device::cpu::CpuEngine;
use crate::device::gpu::GpuEngine;
use crate::device::{Device, Engine, Footprint, Precision, Setup, Tensor, Transform};
use crate::error::{Result, TrainError};
use crate::nn::{Assembled, Mode, Model};
use crate::optim::FROZEN;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After its last epoch.
    Done,
    /// Because its watcher said so; saved, and ready to be resumed.
    Stopped,
}

/// A model in training on a device, or a population of them: every member has the bits that it would have alone.
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
    rules: Rules,
    precision: Precision,
    device: String,
    moved_from: Option<String>,
    retuned: bool,
    model: Held,
    members: Vec<Running>,
    train: Set,
    validation: Option<Set>,
    position: Position,
    folder: Option<PathBuf>,
    /// Of a second-order optimizer.
    second: Option<second::Second>,
}

/// The model as its files name it.
struct Held {
    built: Assembled,
    tensors: Vec<Tensor>,
    /// Those that nothing updates.
    frozen: Vec<bool>,
    /// Those that the rule takes whole, and what it keeps for them.
    bare: Vec<usize>,
    kept: Vec<Tensor>,
}

/// Where a run stands: everything is counted in steps whose records have come back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Position {
    step: u64,
    epoch: u32,
    step_in_epoch: usize,
    /// Updates that the rule counts beside the run's own: those of a PyTorch optimizer whose state it went on from.
    before: i64,
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
        second::admit(device, &recipe)?;
        let updates = recipe.updates_per_epoch(data.train.rows());
        recipe.update.check()?;
        let rules = Rules::new(&recipe)?;
        rules.check(&recipe, device.precision(), updates)?;
        if recipe.schedule.plateau().is_some() && data.validation.is_none() {
            return Err(TrainError::NoValidation { schedule: recipe.schedule.curve().name() }.into());
        }
        for m in 0..recipe.members.len() {
            check_l2(m, recipe.l2_of(m))?;
        }
        for part in [Some(&data.train), data.validation.as_ref()].into_iter().flatten() {
            admit::part(device, model, &recipe, &data.train, part)?;
        }
        let built = build(model, &recipe, &data.train, recipe.batch_size, Mode::Train)?;
        let tensors = built.tensors();
        let population = recipe.population();
        let groups = group::assign(&recipe.groups, &tensors)?;
        let (mut engine_groups, mut update) = (groups.clone(), recipe.update.of_engine());
        whole::plan(&rules, &recipe, &tensors, &mut engine_groups, &mut update)?;
        let (bare, kept) = (update.bare.clone(), update.transform.iter().flat_map(Transform::states).collect());
        let setup = Setup {
            groups: engine_groups,
            tensors: tensors.clone(),
            buffers: built.kept(),
            rule: rules.rule().clone(),
            update,
            seeds: (0..population).map(|m| recipe.seed_of(m)).collect(),
        };
        let rules = rules.for_groups(setup.group_count());
        super::set::admit(device, &setup)?;
        let mut engine: Box<dyn Engine> = match device {
            Device::Cpu(Precision::F32) => Box::new(CpuEngine::<f32>::new(setup)?),
            Device::Cpu(Precision::F64) => Box::new(CpuEngine::<f64>::new(setup)?),
            Device::Gpu(gpu) => Box::new(GpuEngine::new(gpu, setup)?),
        };
        let second = second::Second::new(model, &recipe, &data.train)?;
        let train = Set::new(engine.as_mut(), model, &recipe, &data.train)?;
        let validation = match &data.validation {
            None => None,
            Some(part) => Some(Set::validation(engine.as_mut(), model, &recipe, part)?),
        };
        let mut members = Vec::with_capacity(population);
        for m in 0..population {
            let running = Running::new(&recipe, m, built.counters.len());
            running.begin(engine.as_mut(), &built, recipe.members.get(m))?;
            running.begin_states(engine.as_mut(), &rules, &groups)?;
            members.push(running);
        }
        Ok(Self {
            engine,
            rules,
            precision: device.precision(),
            device: called(device),
            moved_from: None,
            retuned: false,
            model: Held { built, tensors, frozen: groups.iter().map(|&g| g == FROZEN).collect(), bare, kept },
            members,
            train,
            validation,
            position: Position::default(),
            folder: None,
            second,
            recipe,
        })
    }

    /// The learnt tensors' names and shapes.
    pub fn tensors(&self) -> &[Tensor] {
        &self.model.tensors
    }

    /// Their values, exactly as the device holds them; of a population those of member 0.
    ///
    /// # Errors
    ///
    /// A lost device.
    pub fn parameters(&mut self) -> Result<Vec<Vec<f64>>> {
        self.parameters_of(0)
    }

    /// A member's values, exactly as the device holds them.
    ///
    /// # Errors
    ///
    /// A member that is not there, a lost device.
    pub fn parameters_of(&mut self, member: usize) -> Result<Vec<Vec<f64>>> {
        Ok(self.engine.parameters(member)?)
    }

    /// How many models are trained.
    pub fn population(&self) -> usize {
        self.members.len()
    }

    /// The members that have diverged, by their numbers.
    pub fn diverged(&self) -> impl Iterator<Item = &Diverged> {
        self.members.iter().filter_map(|member| member.diverged.as_ref())
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

    /// Whether the run was resumed with other kernel variants than it had: it goes on, but its numbers are rounded otherwise.
    /// [`Device::adopt`] before the trainer is made, of what [`checkpoint::kernels`](super::checkpoint::kernels) finds, prevents it.
    pub fn retuned(&self) -> bool {
        self.retuned
    }

    /// Bytes held on the device; nothing is allocated after the first step.
    pub fn bytes(&self) -> u64 {
        self.engine.bytes()
    }

    /// The same by what they are for.
    pub fn footprint(&self) -> Footprint {
        self.engine.footprint()
    }

    /// Rows of a chunk, where the training data are too large for the device and stream through it.
    pub fn streamed(&self) -> Option<usize> {
        self.engine.chunk(self.train.id)
    }

    /// How it is trained.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Steps of one epoch; 1 of a second-order optimizer, whose steps take all rows.
    pub fn steps_per_epoch(&self) -> usize {
        if self.second.is_some() { 1 } else { self.train.steps() }
    }

    /// Steps done since the run began.
    pub fn step(&self) -> u64 {
        self.position.step
    }

    /// Whole epochs done.
    pub fn epoch(&self) -> u32 {
        self.position.epoch
    }
}

fn called(device: &Device) -> String {
    match device {
        Device::Cpu(_) => "cpu".into(),
        Device::Gpu(gpu) => gpu.adapter().name.clone(),
    }
}

//! A data set with the programs that run over it: one for full minibatches, one for a last short one.

use super::group;
use super::recipe::Recipe;
use crate::data::{Dataset, Targets, Values};
use crate::device::{Column, DataId, Device, Engine, ProgramId, Setup, cpu};
use crate::error::{DeviceError, Error, Result};
use crate::nn::{Assembled, Mode, Model, TargetKind, assemble};

/// Rows on the device, and how to go over them.
pub(super) struct Set {
    pub id: DataId,
    pub rows: usize,
    pub batch: usize,
    full: ProgramId,
    rest: Option<ProgramId>,
}

impl Set {
    /// Puts `data` on the engine and compiles the training step over it.
    pub fn new(engine: &mut dyn Engine, model: &dyn Model, recipe: &Recipe, data: &Dataset) -> Result<Self> {
        let id = Self::put(engine, model, data)?;
        Self::over((engine, id), model, recipe, data, recipe.batch_size, Mode::Train)
    }

    /// Puts `data` on the engine and compiles the evaluation over it, in minibatches as [`judging`] has them.
    pub fn validation(engine: &mut dyn Engine, model: &dyn Model, recipe: &Recipe, data: &Dataset) -> Result<Self> {
        let mut asked = 0;
        let id = Self::put(engine, model, data);
        let set = id.and_then(|id| {
            shrinking(judging(recipe.batch_size, data.rows()), |batch| {
                asked = batch;
                Self::over((&mut *engine, id), model, recipe, data, batch, Mode::Evaluate)
            })
        });
        set.map_err(|error| match error {
            Error::Device(DeviceError::OutOfMemory { adapter, what, needed, allocated, limit }) => {
                let what = format!("{what}, for validation in minibatches of {asked} rows");
                DeviceError::OutOfMemory { adapter, what, needed, allocated, limit }.into()
            }
            other => other,
        })
    }

    fn put(engine: &mut dyn Engine, model: &dyn Model, data: &Dataset) -> Result<DataId> {
        let indices = model.index_count().map(|count| data.indices(count)).transpose()?;
        let features = indices.as_deref().map_or_else(|| column(data.features()), Column::Index);
        let targets = match data.targets() {
            Targets::Classes { labels, .. } => Column::Index(labels),
            Targets::Values { values, .. } => column(values),
        };
        Ok(engine.add_data(data.rows(), features, targets)?)
    }

    fn over(
        (engine, id): (&mut dyn Engine, DataId),
        model: &dyn Model,
        recipe: &Recipe,
        data: &Dataset,
        batch: usize,
        mode: Mode,
    ) -> Result<Self> {
        let rows = data.rows();
        let mut compile = |batch| -> Result<ProgramId> {
            let a = build(model, recipe, data, batch, mode)?;
            let still: Vec<bool> = a.parameters.iter().map(|p| group::frozen(&recipe.groups, &p.name)).collect();
            let mut step = a.into_step();
            // What nothing updates needs no gradient, and neither does what only that gradient needs.
            for (gradient, _) in step.gradients.iter_mut().zip(still).filter(|(_, still)| *still) {
                *gradient = None;
            }
            Ok(engine.compile(step, id)?)
        };
        let full = compile(batch)?;
        let dropped = mode == Mode::Train && recipe.drop_last;
        let rest = if dropped || rows.is_multiple_of(batch) { None } else { Some(compile(rows % batch)?) };
        Ok(Self { id, rows, batch, full, rest })
    }

    /// Steps of one pass.
    pub fn steps(&self) -> usize {
        self.rows / self.batch + usize::from(self.rest.is_some())
    }

    /// Rows of one pass.
    pub fn used(&self) -> usize {
        if self.rest.is_some() { self.rows } else { self.rows / self.batch * self.batch }
    }

    /// The program and the rows of the n-th step of a pass.
    pub fn step(&self, n: usize) -> (ProgramId, usize) {
        match self.rest {
            Some(rest) if n + 1 == self.steps() => (rest, self.rows % self.batch),
            _ => (self.full, self.batch),
        }
    }
}

/// Rows of a minibatch that is judged, at least: the evaluation has no gradients, and larger ones are faster.
const JUDGED: usize = 256;

/// Rows of a minibatch of validation: as many as train, and at least [`JUDGED`]; and, where the memory does not hold those, as
/// many as train.
pub(super) fn judging(batch: usize, rows: usize) -> [usize; 2] {
    [batch.max(JUDGED).min(rows), batch.min(rows)]
}

/// What `work` does in minibatches of the first size or, where the memory does not hold those, of the second.
pub(super) fn shrinking<T>([wide, narrow]: [usize; 2], mut work: impl FnMut(usize) -> Result<T>) -> Result<T> {
    match work(wide) {
        Err(Error::Device(DeviceError::OutOfMemory { .. })) if narrow < wide => work(narrow),
        done => done,
    }
}

/// Refuses parameters that the machine's memory does not hold, whatever the device: initial values are made on the host in f64. On the cpu
/// there are each parameter, its gradient, its place in the program, and its states besides.
pub(super) fn admit(device: &Device, setup: &Setup) -> Result<(), DeviceError> {
    let members = setup.seeds.len();
    let width = match device {
        Device::Cpu(precision) => 8 + (2 + members * (1 + setup.rule.states().len())) * precision.bytes(),
        Device::Gpu(_) => 8,
    };
    let elements = setup.tensors.iter().fold(0_usize, |n, t| n.saturating_add(t.shape.elements()));
    cpu::admit("the model's parameters and the optimizer's state", elements, width)
}

/// The graph of one minibatch of `data`.
pub(super) fn build(model: &dyn Model, recipe: &Recipe, data: &Dataset, batch: usize, mode: Mode) -> Result<Assembled> {
    let targets = match data.targets() {
        Targets::Classes { classes, .. } => TargetKind::Classes { classes: *classes },
        Targets::Values { shape, .. } => TargetKind::Values { shape: shape.clone() },
    };
    Ok(assemble(&recipe.augment.over(model), &recipe.example(data)?, targets, &recipe.shared_objective(), batch, mode)?)
}

fn column(values: &Values) -> Column<'_> {
    match values {
        Values::F32(v) => Column::F32(v),
        Values::F64(v) => Column::F64(v),
    }
}

//! What a model's file holds, for a model built from layers.

use std::path::Path;

use super::checkpoint::read_model;
use crate::data::Values;
use crate::device::Precision;
use crate::error::CheckpointError;
use crate::nn::{Assembled, BufferSpec, initial_parameters};
use crate::shape::Shape;

/// The values of a model: what is learnt, what is kept beside it, and how often it was trained.
///
/// ```
/// use thalweg::Shape;
/// use thalweg::nn::{Linear, Mode, Objective, Sequential, TargetKind, assemble};
/// use thalweg::train::Weights;
///
/// let model = Sequential::new().add(Linear::new(2));
/// let a = assemble(&model, &Shape::from([3]), TargetKind::Classes { classes: 2 }, &Objective::default(), 1, Mode::Evaluate)?;
/// let weights = Weights::initial(&a, 1);
/// assert_eq!(weights.parameters.iter().map(Vec::len).collect::<Vec<_>>(), [6, 2]);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// Each parameter, in the order of [`Assembled::parameters`].
    pub parameters: Vec<Vec<f64>>,
    /// Each buffer, all its rows, in the order of [`Assembled::buffers`].
    pub buffers: Vec<Vec<f64>>,
    /// Each count of training steps, in the order of [`Assembled::counters`].
    pub counters: Vec<u64>,
}

impl Weights {
    /// As a run of `seed` starts.
    pub fn initial(a: &Assembled, seed: u64) -> Self {
        Self {
            parameters: initial_parameters(&a.parameters, seed),
            buffers: a.buffers.iter().map(|b| b.initial()).collect(),
            counters: vec![0; a.counters.len()],
        }
    }

    /// From `model.safetensors` of a run, or a file that PyTorch wrote: parameters and buffers by PyTorch's names. Counts
    /// that a file does not have are 0.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is cut short; [`CheckpointError::Mismatch`] lists every tensor that is missing, extra,
    /// of another shape or of another type, all at once; [`CheckpointError::NonFinite`] names an infinity or a NaN.
    pub fn read(file: &Path, a: &Assembled) -> Result<Self, CheckpointError> {
        Self::read_for(file, a, Precision::F64)
    }

    /// As [`read`](Self::read), to be held in floats of `precision`.
    pub(super) fn read_for(file: &Path, a: &Assembled, precision: Precision) -> Result<Self, CheckpointError> {
        let parameters = a.parameters.iter().map(|p| (p.name.clone(), p.shape.clone())).collect();
        let (buffers, counters) = (a.buffers.clone(), a.counters.clone());
        Self::read_named(file, &Names { parameters, buffers, counters }, precision)
    }

    pub(super) fn read_named(file: &Path, names: &Names, precision: Precision) -> Result<Self, CheckpointError> {
        let tensors = names.tensors();
        let (values, counters) = read_model(file, &tensors, &names.counters)?;
        for ((tensor, _), values) in tensors.into_iter().zip(&values) {
            if let Some(place) = (0..values.len()).find(|&i| !precision.holds_finite(values.get(i))) {
                let (path, found, floats) = (file.into(), values.get(place), precision.name());
                return Err(CheckpointError::NonFinite { path, tensor, place, found, floats });
            }
        }
        let mut values = values.iter().map(Values::to_f64);
        let parameters = values.by_ref().take(names.parameters.len()).collect();
        let buffer = |rows: usize| values.by_ref().take(rows).flatten().collect();
        let buffers = names.buffers.iter().map(|b| b.rows.len()).map(buffer).collect();
        Ok(Self { parameters, buffers, counters })
    }
}

/// What a model's file holds, by name.
pub(super) struct Names {
    pub parameters: Vec<(String, Shape)>,
    pub buffers: Vec<BufferSpec>,
    pub counters: Vec<String>,
}

impl Names {
    /// The tensors of floats: parameters, then the rows of buffers.
    pub fn tensors(&self) -> Vec<(String, Shape)> {
        self.parameters.iter().cloned().chain(rows(&self.buffers)).collect()
    }
}

/// The rows of a model's buffers, as files name them.
pub(super) fn rows(buffers: &[BufferSpec]) -> impl Iterator<Item = (String, Shape)> {
    buffers.iter().flat_map(|b| b.rows.iter().map(|(name, _)| (name.clone(), b.shape.clone())))
}

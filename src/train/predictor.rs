//! A run's folder put to use: what the trained model answers, and how well.

mod confusion;
mod evaluation;
mod predictions;
mod program;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

pub use self::confusion::{ClassScores, Confusion, Macro};
pub use self::evaluation::Evaluation;
pub use self::predictions::{Meaning, Predictions};
use self::program::Bound;
use super::checkpoint::{AVERAGE, MODEL, POPULATION, RUN, STANDARDISATION, class_names, model_kernels};
use super::config::RunConfig;
use super::set::{judging, shrinking};
use crate::data::{Dataset, Source, Standardisation, Values};
use crate::device::{Device, Precision};
use crate::error::{Error, Result, TrainError};
use crate::nn::{Model, Sequential};
use crate::shape::Shape;

/// A trained model on a device, out of the folder its run is in: `run.toml` says what the model is, `model.safetensors`
/// holds its weights (written by a run or by PyTorch), `standardisation.json` what its data were standardised by, `classes.json` the names of
/// its classes.
///
/// The model is built to be used: no dropout, and a prediction depends on the example alone. Weights stay on the device
/// between minibatches and calls. Data are given as the run's data were before they were standardised: what standardised
/// them is applied, never fitted again.
///
/// # Examples
///
/// ```
/// use thalweg::data::{Dataset, Targets, Values};
/// use thalweg::device::{Device, Precision};
/// use thalweg::train::{Predictor, checkpoint};
/// use thalweg::Shape;
///
/// // A run as `thalweg train` leaves one: a linear layer whose weight is the unit matrix.
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join(checkpoint::RUN), "[model]\ninput = [2]\nlayers = [{ type = 'linear', out = 2, bias = false }]")?;
/// let data = Values::F32(vec![1.0, 0.0, 0.0, 1.0]);
/// let weight = checkpoint::Tensor { name: "0.weight".into(), shape: Shape::from([2, 2]), data };
/// checkpoint::Checkpoint { parameters: vec![weight], ..Default::default() }.save(folder.path())?;
///
/// let mut model = Predictor::load(folder.path(), &Device::Cpu(Precision::F64))?;
/// let x = Values::F64(vec![3f64.ln(), 0.0, 0.0, 0.0]);
/// let points = Dataset::unlabelled(x.clone(), Shape::from([2]))?;
/// let found = model.predict(&points)?;
/// assert_eq!(found.classes(), Some(&[0, 0][..])); // the first of equals
/// let p = found.values().to_f64(); // e^(ln 3) : e^0 is 3 : 1
/// assert!((p[0] - 0.75).abs() < 1e-15 && (p[1] - 0.25).abs() < 1e-15);
/// assert_eq!(p[2..], [0.5, 0.5]);
///
/// let targets = Targets::Classes { labels: vec![0, 1], classes: 2 };
/// let judged = model.evaluate(&Dataset::new(x, Shape::from([2]), targets)?)?;
/// assert!((judged.loss - ((4f64 / 3.0).ln() + 2f64.ln()) / 2.0).abs() < 1e-15);
/// let confusion = judged.confusion.unwrap();
/// assert_eq!((confusion.count(0, 0), confusion.count(1, 0)), (1, 1));
/// assert_eq!((confusion.precision(0), confusion.precision(1)), (Some(0.5), None)); // nobody was called 1
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Predictor {
    folder: PathBuf,
    /// The file of the weights.
    weights: &'static str,
    config: RunConfig,
    model: Sequential,
    standardisation: Option<Standardisation>,
    class_names: Option<Vec<String>>,
    /// The shape of an example, where the run says it or its data are known.
    known: Option<Shape>,
    device: Device,
    bound: Option<Bound>,
}

impl std::fmt::Debug for Predictor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Predictor").field("folder", &self.folder).field("device", &self.device).finish_non_exhaustive()
    }
}

/// What a model gives for each row: scores before softmax or sigmoid, `[rows, …]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    /// How many rows.
    pub rows: usize,
    /// Shape of one row's.
    pub shape: Shape,
    /// The numbers, row-major, in the device's precision; all finite.
    pub values: Values,
}

impl Predictor {
    /// Reads the run in `folder`. Where `run.toml` says what shape the model takes (or the run is on the digits), the
    /// weights are put on the device at once; else with the first data.
    ///
    /// # Errors
    ///
    /// [`TrainError::NoRun`] where the folder or a file of it is missing; a `run.toml` or `standardisation.json` that
    /// cannot be understood; [`CheckpointError::Mismatch`](crate::error::CheckpointError::Mismatch) where the weights
    /// are not those of the model; more memory than the device has.
    pub fn load(folder: &Path, device: &Device) -> Result<Self> {
        Self::load_file(folder, MODEL, device)
    }

    /// [`load`](Self::load) of the running average of the parameters, which a run with `train.average` leaves.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load); [`TrainError::NoAverage`] for a run that keeps none.
    pub fn load_average(folder: &Path, device: &Device) -> Result<Self> {
        let kept = |run: RunConfig| run.update.average.is_some();
        if folder.join(RUN).exists()
            && !folder.join(AVERAGE).exists()
            && !RunConfig::load(&folder.join(RUN), &[]).is_ok_and(kept)
        {
            return Err(TrainError::NoAverage { folder: folder.into() }.into());
        }
        Self::load_file(folder, AVERAGE, device)
    }

    fn load_file(folder: &Path, weights: &'static str, device: &Device) -> Result<Self> {
        let no_run =
            |missing: &'static str, reason: String| TrainError::NoRun { folder: folder.into(), missing, reason };
        std::fs::read_dir(folder).map_err(|error| no_run("the folder", error.to_string()))?;
        for file in [RUN, weights] {
            std::fs::File::open(folder.join(file)).map_err(|error| {
                let of_many = folder.join(POPULATION).exists();
                let more = if of_many {
                    "; it holds a population, whose members have folders in it: member-0 and so on"
                } else {
                    ""
                };
                no_run(file, format!("{error}{more}"))
            })?;
        }
        let config = RunConfig::load(&folder.join(RUN), &[])?;
        let standardisation = match config.data.standardise {
            false => None,
            true => {
                let path = folder.join(STANDARDISATION);
                let text = std::fs::read_to_string(&path).map_err(|e| no_run(STANDARDISATION, e.to_string()))?;
                let bad = |error: serde_json::Error| TrainError::BadStandardisation { path, reason: error.to_string() };
                Some(serde_json::from_str(&text).map_err(bad)?)
            }
        };
        let known = match (&config.model.input, &config.data.source) {
            (Some(input), _) => Some(input.clone()),
            (None, Source::Digits) => Some(Shape::from([1, 8, 8])),
            _ => None,
        };
        let model = config.model()?;
        let class_names = class_names(folder)?;
        // What the run was judged with: the same numbers on the same adapter.
        device.adopt(&model_kernels(folder));
        let (folder, device) = (folder.into(), device.clone());
        let mut predictor = Self {
            folder,
            weights,
            config,
            model,
            standardisation,
            class_names,
            known: known.clone(),
            device,
            bound: None,
        };
        if let Some(input) = known {
            predictor.takes(&input)?;
        }
        Ok(predictor)
    }

    /// What made the run.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// The names of the classes, the first that of class 0, where the run's data had any (`classes.json`).
    pub fn class_names(&self) -> Option<&[String]> {
        self.class_names.as_deref()
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Whether the model takes examples of this shape, batch axis left out.
    ///
    /// # Errors
    ///
    /// [`TrainError::Input`] and [`TrainError::Misfit`] where it does not, or a layer says why; whatever
    /// [`load`](Self::load) may say of the weights.
    pub fn takes(&mut self, shape: &Shape) -> Result<()> {
        let input = match (&self.known, &self.config.model.input) {
            (Some(known), _) if known.elements() == shape.elements() => known.clone(),
            (_, Some(input)) => return Err(TrainError::Input { input: input.clone(), data: shape.clone() }.into()),
            _ => shape.clone(),
        };
        match &mut self.bound {
            Some(bound) if bound.input == input => Ok(()),
            Some(bound) => bound.rebind(&self.model, input),
            None => {
                // The data's own shape is what the weights may not suit; where the run says it, they are at fault.
                let free = self.known.is_none();
                self.bound =
                    Some(Bound::load(&self.folder.join(self.weights), &self.model, input, free, &self.device)?);
                Ok(())
            }
        }
    }

    /// The scores of every row, before softmax or sigmoid. Targets are not looked at.
    ///
    /// # Errors
    ///
    /// Examples of a shape the model does not take, channels that the run's standardisation does not have, numbers beyond
    /// f32 on a device of f32; [`TrainError::NonFiniteOutput`]; a lost device.
    pub fn outputs(&mut self, data: &Dataset) -> Result<Outputs> {
        // As many as evaluate together at least; the run's own minibatch where the memory holds no more.
        let [wide, narrow] = judging(1, data.rows());
        let least = narrow.max(self.config.train.batch_size.min(wide));
        let (ready, bound, model) = self.ready(data)?;
        let shape = bound.output.clone();
        let values = shrinking([wide, least], |batch| {
            let mut values = Vec::with_capacity(data.rows() * shape.elements());
            for first in (0..data.rows()).step_by(batch) {
                let rows = batch.min(data.rows() - first);
                let mut found = bound.answer(model, &ready, first, rows)?;
                let scores = found.swap_remove(0);
                finite(data, first, &scores, shape.elements())?;
                values.extend(scores);
            }
            Ok(values)
        })?;
        let values = match self.device.precision() {
            Precision::F32 => Values::F32(values.into_iter().map(|x| x as f32).collect()),
            Precision::F64 => Values::F64(values),
        };
        Ok(Outputs { rows: data.rows(), shape, values })
    }

    /// What the model says of every row: the class and its probabilities, or whatever [`Meaning`] has for the run's
    /// loss. Targets are not looked at.
    ///
    /// # Errors
    ///
    /// As [`outputs`](Self::outputs); [`TrainError::Output`] for a classifier that does not give a row of scores.
    pub fn predict(&mut self, data: &Dataset) -> Result<Predictions> {
        let loss = self.config.model.loss;
        self.takes(data.shape())?;
        match &self.bound {
            Some(Bound { output, .. }) if loss.takes_classes() && output.rank() != 1 => {
                Err(TrainError::Output { loss: loss.name(), found: output.clone() }.into())
            }
            _ => {
                let outputs = self.outputs(data)?;
                Ok(Predictions::of(loss, outputs, self.class_names.clone()))
            }
        }
    }

    /// The data as the model takes them, and the model on the device.
    fn ready<'a>(&mut self, data: &'a Dataset) -> Result<(Cow<'a, Dataset>, &mut Bound, &dyn Model)> {
        self.takes(data.shape())?;
        let Some(bound) = &mut self.bound else { unreachable!("`takes` binds the model or refuses") };
        let mut ready = Cow::Borrowed(data);
        if let Some(fitted) = &self.standardisation {
            let channels = |shape: &Shape| shape.first() == Some(&fitted.mean.len());
            let mut data = data.clone();
            // Pixels as a row (a CSV file of images) have their channels where the model sees them.
            if !channels(data.shape()) && channels(&bound.input) {
                data = data.reshaped(&bound.input);
            }
            ready = Cow::Owned(fitted.apply(data)?);
        }
        if self.device.precision() == Precision::F32 {
            ready.check_f32()?;
        }
        if let Some(count) = self.model.index_count() {
            ready.indices(count)?;
        }
        Ok((ready, bound, &self.model))
    }
}

/// Refuses what is no number; the row is that of the data's source.
fn finite(data: &Dataset, first: usize, scores: &[f64], width: usize) -> Result<(), Error> {
    match scores.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(i) => {
            let (row, output) = (data.row_of_source(first + i / width), i % width);
            Err(TrainError::NonFiniteOutput { row, output, found: scores[i] }.into())
        }
    }
}

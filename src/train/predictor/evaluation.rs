//! How well a model answers data whose targets are known.

use std::borrow::Cow;

use super::{Confusion, Predictor, finite};
use crate::data::{DataError, Dataset, Targets};
use crate::error::{GivenError, Result, TrainError};
use crate::loss::Loss;
use crate::nn::TargetKind;
use crate::train::checkpoint::validation_batch;
use crate::train::set::{judging, shrinking};

/// How well a model answers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Evaluation {
    /// Rows judged.
    pub rows: usize,
    /// The run's loss on the data, mean over the rows, without the penalty.
    pub loss: f64,
    /// The share of rows whose class has the largest score (the first of equals); `None` for losses over numbers.
    pub accuracy: Option<f64>,
    /// `√loss`, the root of the mean squared error; for `mse` alone.
    pub rmse: Option<f64>,
    /// Which classes were taken for which; `None` for losses over numbers.
    pub confusion: Option<Confusion>,
}

impl Predictor {
    /// Loss, accuracy and confusion over `data`, in the minibatches and the arithmetic of a run's validation: on the run's
    /// own validation data, device and precision, the numbers of its last epoch, to the bit. Where memory is too short for
    /// minibatches of 256 rows they are the run's `batch_size`, as in training; a run which had to do so says it in
    /// `model.safetensors`, and is judged so wherever it is.
    ///
    /// Classes that have names ([`Dataset::class_names`]) are taken for the run's of the same names; the numbers of any others
    /// are the run's. Where the run keeps no names, there must be as many as the model has outputs.
    ///
    /// # Errors
    ///
    /// [`GivenError::UnknownClasses`] and [`GivenError::UnnamedClasses`] for names that the run does not know. As [`outputs`](Self::outputs); [`TrainError::NoTargets`]; [`DataError::TargetKind`] and [`DataError::Label`] for
    /// targets that the run's loss or the model's outputs do not have; [`TrainError::NonFiniteEvaluation`].
    pub fn evaluate(&mut self, data: &Dataset) -> Result<Evaluation> {
        if !data.is_labelled() {
            return Err(TrainError::NoTargets { rows: data.rows() }.into());
        }
        let (objective, batch) = (self.config.objective(), self.config.train.batch_size);
        let validated = validation_batch(&self.folder)?;
        let loss = objective.loss;
        let data = &*self.numbered(data)?;
        let (ready, bound, model) = self.ready(data)?;
        let kind = match (data.targets(), loss.takes_classes()) {
            (Targets::Classes { .. }, true) => {
                let [classes] = bound.output[..] else {
                    return Err(TrainError::Output { loss: loss.name(), found: bound.output.clone() }.into());
                };
                data.check_classes(classes)?;
                TargetKind::Classes { classes }
            }
            (Targets::Values { shape, .. }, false) => TargetKind::Values { shape: shape.clone() },
            (Targets::Classes { .. }, false) => {
                return Err(DataError::TargetKind { expected: "numbers", found: "classes" }.into());
            }
            (Targets::Values { .. }, true) => {
                return Err(DataError::TargetKind { expected: "classes", found: "numbers" }.into());
            }
        };
        let width = bound.output.elements();
        let sizes = validated.map_or_else(|| judging(batch, data.rows()), |rows| [rows.min(data.rows()); 2]);
        let (sum, right, confusion) = shrinking(sizes, |batch| {
            let mut confusion = loss.takes_classes().then(|| Confusion::new(width));
            let (mut sum, mut right) = (0.0, 0.0);
            for first in (0..data.rows()).step_by(batch) {
                let rows = batch.min(data.rows() - first);
                let found = bound.judge((model, &objective), &kind, &ready, (first, rows))?;
                finite(data, first, &found[0], width)?;
                let of_batch = found[1][0];
                if !of_batch.is_finite() {
                    let (first, last) = (data.row_of_source(first), data.row_of_source(first + rows - 1));
                    return Err(TrainError::NonFiniteEvaluation { loss: of_batch, first, last }.into());
                }
                sum += rows as f64 * of_batch;
                right += rows as f64 * found.get(2).map_or(0.0, |accuracy| accuracy[0]);
                if let (Some(confusion), Targets::Classes { labels, .. }) = (&mut confusion, ready.targets()) {
                    for (scores, &label) in found[0].chunks(width).zip(&labels[first..]) {
                        confusion.add(label as usize, winner(scores));
                    }
                }
            }
            Ok((sum, right, confusion))
        })?;
        let mean = |sum: f64| sum / data.rows() as f64;
        Ok(Evaluation {
            rows: data.rows(),
            loss: mean(sum),
            accuracy: loss.takes_classes().then(|| mean(right)),
            rmse: (loss == Loss::Mse).then(|| mean(sum).sqrt()),
            confusion,
        })
    }
}

impl Predictor {
    /// The data with their classes numbered as the run numbers them.
    fn numbered<'a>(&mut self, data: &'a Dataset) -> Result<Cow<'a, Dataset>> {
        let Some(names) = data.class_names() else { return Ok(Cow::Borrowed(data)) };
        if let Some(known) = &self.class_names {
            return Ok(data.numbered_by(known)?);
        }
        self.takes(data.shape())?;
        match self.bound.as_ref().map(|bound| bound.output.elements()) {
            Some(classes) if classes != names.len() => {
                Err(DataError::from(GivenError::UnnamedClasses { found: names.to_vec(), classes }).into())
            }
            _ => Ok(Cow::Borrowed(data)),
        }
    }
}

/// The place of the largest score, the first of equals, as [`Accuracy`](crate::loss::accuracy::Accuracy) has it.
pub(super) fn winner(scores: &[f64]) -> usize {
    (1..scores.len()).fold(0, |best, k| if scores[k] > scores[best] { k } else { best })
}

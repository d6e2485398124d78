//! What is refused before anything is put on a device.

use crate::data::{Dataset, Targets};
use crate::device::{Device, Precision};
use crate::error::{Result, TrainError};
use crate::nn::{Model, output_shape};
use crate::train::recipe::Recipe;

/// Whether a part of the data can go through the model at all, said before anything is put on a device.
pub(super) fn part(device: &Device, model: &dyn Model, recipe: &Recipe, train: &Dataset, data: &Dataset) -> Result<()> {
    if data.shape() != train.shape() {
        let (train, validation) = (train.shape().clone(), data.shape().clone());
        return Err(TrainError::Validation { train, validation }.into());
    }
    if device.precision() == Precision::F32 {
        data.check_f32()?;
    }
    if let Some(count) = model.index_count() {
        data.indices(count)?;
    }
    if let Targets::Classes { .. } = data.targets()
        && recipe.objective.loss.takes_classes()
    {
        let output = output_shape(model, &recipe.example(data)?)?;
        let [classes] = output[..] else {
            return Err(TrainError::Output { loss: recipe.objective.loss.name(), found: output }.into());
        };
        data.check_classes(classes)?;
    }
    Ok(())
}

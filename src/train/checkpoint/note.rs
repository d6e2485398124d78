//! What stands in the metadata of a checkpoint's files.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{CheckpointError, tensors};
use crate::device::gpu::Choices;

/// The newest format of `optimizer.safetensors` that is known here.
pub(super) const FORMAT: u32 = 1;

/// What stands in the metadata. `parameters` and `states` give the names in order; the scalars are text, because JSON
/// has no NaN and its readers may round.
#[derive(Serialize, Deserialize)]
pub(super) struct Note {
    pub format: u32,
    pub step: u64,
    pub epoch: u32,
    pub step_in_epoch: u32,
    pub seed: u64,
    pub optimizer: String,
    pub convention: String,
    pub precision: String,
    #[serde(default)]
    pub device: String,
    #[serde(default, skip_serializing_if = "Choices::is_empty")]
    pub kernels: Choices,
    pub parameters: Vec<String>,
    #[serde(default)]
    pub buffers: Vec<String>,
    #[serde(default)]
    pub counters: Vec<(String, u64)>,
    pub states: Vec<String>,
    #[serde(default)]
    pub averaged: bool,
    #[serde(default)]
    pub kept: Vec<String>,
    pub scalars: BTreeMap<String, String>,
}

/// What stands in the metadata of `model.safetensors`.
#[derive(Serialize, Deserialize)]
pub(super) struct ModelNote {
    pub step: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_batch: Option<usize>,
    #[serde(default, skip_serializing_if = "Choices::is_empty")]
    pub kernels: Choices,
}

impl Note {
    pub(super) fn read(file: &tensors::File, path: &Path) -> Result<Self, CheckpointError> {
        let no_state = |reason: String| CheckpointError::NoState { path: path.to_owned(), reason };
        let text = file.note().ok_or_else(|| no_state("its metadata has no key `thalweg`".into()))?;
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        // The version first: a later format may have other fields.
        let Version { format } = serde_json::from_str(&text).map_err(|error| no_state(error.to_string()))?;
        if format > FORMAT {
            return Err(CheckpointError::Format { path: path.to_owned(), found: format, known: FORMAT });
        }
        serde_json::from_str(&text).map_err(|error| no_state(error.to_string()))
    }

    pub(super) fn numbers(&self, path: &Path) -> Result<BTreeMap<String, f64>, CheckpointError> {
        let number = |(name, text): (&String, &String)| match text.parse() {
            Ok(x) => Ok((name.clone(), x)),
            Err(_) => Err(CheckpointError::NoState {
                path: path.to_owned(),
                reason: format!("`{name}` is `{text}`, not a number"),
            }),
        };
        self.scalars.iter().map(number).collect()
    }
}

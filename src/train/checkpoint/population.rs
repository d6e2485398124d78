//! `population.json`: where a population stands, and what its members are.
//!
//! The files of many members are not replaced by one rename. So a member's new files are first written beside the old ones, then
//! this note is replaced, which is the one moment at which the population is saved, and then the new files take the old
//! ones' names. After a crash the note says whether new files that still lie beside the old ones belong to it.

use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{AVERAGE, Checkpoint, MODEL, OPTIMIZER, POPULATION, state_step, write_atomic};
use crate::error::{CheckpointError, PopulationError, Result};
use crate::train::event::Diverged;
use crate::train::member::Member;

/// Where a population stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PopulationNote {
    /// Steps done, by all members that go on.
    pub step: u64,
    /// The members.
    pub members: Vec<MemberNote>,
}

/// What a member is, and whether it goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberNote {
    /// Its seed.
    pub seed: u64,
    /// What it has of its own.
    #[serde(flatten)]
    pub own: Member,
    /// Since when it goes on no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverged: Option<Diverged>,
}

/// What `population.json` in a run's folder says; `None` where there is none: a run of one model.
///
/// # Errors
///
/// [`PopulationError::BadNote`] where it cannot be read or understood.
pub fn population(folder: &Path) -> Result<Option<PopulationNote>> {
    let path = folder.join(POPULATION);
    let bad = |reason: String| PopulationError::BadNote { path: path.clone(), reason };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(bad(error.to_string()).into()),
    };
    let note: PopulationNote = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let out_of_place =
        note.members.iter().enumerate().find(|(m, n)| n.diverged.as_ref().is_some_and(|d| d.member != *m));
    match out_of_place {
        Some((m, _)) => Err(bad(format!("member {m} is said to have diverged as another one")).into()),
        None => Ok(Some(note)),
    }
}

impl PopulationNote {
    /// Replaces the note in `folder`.
    pub(in crate::train) fn write(&self, folder: &Path) -> Result<(), CheckpointError> {
        let path = folder.join(POPULATION);
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| CheckpointError::Unwritable { path: path.clone(), source: error.into() })?;
        write_atomic(&path, format!("{text}\n").as_bytes())
    }
}

/// New files, beside those that they are to replace.
const NEXT: [&str; 3] = ["optimizer.next.safetensors", "model.next.safetensors", "average.next.safetensors"];

/// Writes a member's new files beside the old ones.
pub(in crate::train) fn write_next(from: &Checkpoint, folder: &Path) -> Result<(), CheckpointError> {
    let [state, model, average] = NEXT.map(|name| folder.join(name));
    from.save_as([&state, &model, &average])
}

/// Puts a member's new files, if they are of that step, in the places of the old ones; others are removed.
pub(in crate::train) fn settle_next(folder: &Path, step: u64) -> Result<(), CheckpointError> {
    let [state, model, average] = NEXT.map(|name| folder.join(name));
    let unwritable = |path: &Path| {
        let path = path.to_owned();
        move |source| CheckpointError::Unwritable { path, source }
    };
    // A file that a crash cut short is no rename's result: `write_atomic` leaves none under this name.
    let of_this = state.exists() && state_step(&state)? == step;
    // The state is renamed last, so that a crash in between is settled again.
    for (next, name) in [(&average, AVERAGE), (&model, MODEL), (&state, OPTIMIZER)] {
        if next.exists() && of_this {
            std::fs::rename(next, folder.join(name)).map_err(unwritable(next))?;
        } else if next.exists() {
            std::fs::remove_file(next).map_err(unwritable(next))?;
        }
    }
    Ok(())
}

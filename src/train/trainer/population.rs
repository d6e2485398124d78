//! How a population is kept: all members at one step, whatever happens in between.

use std::path::Path;

use super::Trainer;
use crate::error::{CheckpointError, Result};
use crate::train::checkpoint::{MemberNote, PopulationNote, member_folder, settle_next, write_next};

impl Trainer {
    /// Every member that goes on, beside what is there; then the note, which is the moment of saving; then the names.
    pub(super) fn save_population(&mut self, folder: &Path) -> Result<()> {
        let going: Vec<usize> = (0..self.members.len()).filter(|&m| self.goes_on(m)).collect();
        for &m in &going {
            write_next(&self.checkpoint_of(m)?, &member_folder(folder, m))?;
        }
        self.standing_note().write(folder)?;
        for m in going {
            settle_next(&member_folder(folder, m), self.position.step)?;
            self.members[m].saved = true;
        }
        Ok(())
    }

    /// Says anew who goes on, where nothing else has changed since the population was saved.
    pub(super) fn note(&self) -> Result<()> {
        match &self.folder {
            Some(folder) if self.members.len() > 1 => Ok(self.standing_note().write(folder)?),
            _ => Ok(()),
        }
    }

    /// Ends what a crash cut short: new files of the step that the note says take their places, others go.
    pub(super) fn roll(&self, folder: &Path, step: u64) -> Result<(), CheckpointError> {
        (0..self.members.len()).try_for_each(|m| settle_next(&member_folder(folder, m), step))
    }

    fn standing_note(&self) -> PopulationNote {
        let member = |(m, running): (usize, &super::Running)| MemberNote {
            seed: running.seed,
            own: self.recipe.members.get(m).cloned().unwrap_or_default(),
            diverged: running.diverged.clone(),
        };
        PopulationNote { step: self.position.step, members: self.members.iter().enumerate().map(member).collect() }
    }
}

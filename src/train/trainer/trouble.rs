//! What is no longer a number: the end of a run of one model, the rest of one member of a population.

use super::Trainer;
use crate::device::NonFinite;
use crate::error::{PopulationError, Result, TrainError};
use crate::train::checkpoint::append_history;
use crate::train::event::{Diverged, Event, Flow};
use crate::train::weights::rows;

impl Trainer {
    /// Whether the member goes on.
    pub(super) fn goes_on(&self, member: usize) -> bool {
        self.members[member].diverged.is_none()
    }

    /// Ends a run of one model with `why`; a member of a population stays as it is from here on.
    pub(super) fn diverge(
        &mut self,
        member: usize,
        why: TrainError,
        watch: &mut dyn FnMut(&Event) -> Flow,
    ) -> Result<Flow> {
        if self.members.len() == 1 {
            return Err(why.into());
        }
        let (step, epoch) = (self.position.step, self.position.epoch);
        let diverged = Diverged { member, step, epoch, reason: why.to_string() };
        self.members[member].diverged = Some(diverged.clone());
        if let Some(folder) = self.folder_of(member) {
            let line = serde_json::json!({ "diverged": true, "step": step, "reason": diverged.reason });
            append_history(&folder, &line)?;
        }
        let flow = watch(&Event::Diverged(diverged));
        self.some_goes_on()?;
        Ok(flow)
    }

    /// Refuses to go on where nothing is left to train.
    pub(super) fn some_goes_on(&self) -> Result<()> {
        let last = self.diverged().max_by_key(|diverged| diverged.step);
        match last {
            Some(Diverged { member, step, reason, .. }) if self.diverged().count() == self.members.len() => {
                let (members, member, step, reason) = (self.members.len(), *member, *step, reason.clone());
                Err(PopulationError::AllDiverged { members, member, step, reason }.into())
            }
            _ => Ok(()),
        }
    }

    /// The loss of a step is that before its update, so it says nothing of what the last update left.
    pub(super) fn check_finite(&mut self, watch: &mut dyn FnMut(&Event) -> Flow) -> Result<Flow> {
        let mut flow = Flow::Continue;
        for member in 0..self.members.len() {
            if self.goes_on(member)
                && let Some(why) = self.not_finite(member)?
                && self.diverge(member, why, watch)? == Flow::Stop
            {
                flow = Flow::Stop;
            }
        }
        Ok(flow)
    }

    /// What of a member's gradients, parameters and buffers is no number.
    fn not_finite(&mut self, member: usize) -> Result<Option<TrainError>> {
        let checkpoint = self.kept(member);
        if let Some(first) = self.engine.first_non_finite(member)? {
            return Ok(Some(TrainError::NonFiniteTensor { first: describe(&first), checkpoint }));
        }
        let held = self.rows(member)?;
        let step = self.position.step;
        for ((name, _), values) in rows(&self.model.built.buffers).zip(held) {
            if let Some(&found) = values.iter().find(|x| !x.is_finite()) {
                return Ok(Some(TrainError::NonFiniteBuffer { name, found, step, checkpoint }));
            }
        }
        Ok(None)
    }

    /// Why a member's loss is no number.
    pub(super) fn not_a_loss(&mut self, member: usize, loss: f64) -> Result<TrainError> {
        let first = self.engine.first_non_finite(member)?.map(|found| describe(&found));
        let (step, checkpoint) = (self.position.step, self.kept(member));
        Ok(TrainError::NonFiniteLoss { step, loss, first, checkpoint })
    }
}

pub(super) fn describe(found: &NonFinite) -> String {
    format!("the {} of `{}` was the first to be non-finite, at step {}", found.what, found.tensor, found.step)
}

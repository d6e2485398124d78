//! Rules that look at whole tensors: which tensors they take, and what is kept for these.

use super::{Held, Trainer};
use crate::data::Values;
use crate::device::{Tensor, Transform, Update};
use crate::error::{CheckpointError, PopulationError, Result};
use crate::optim::{FROZEN, MAX_GROUPS};
use crate::shape::Shape;
use crate::train::checkpoint::{self, Checkpoint};
use crate::train::recipe::Recipe;
use crate::train::rules::Rules;

/// Gives the tensors that the rule takes whole a group behind the others, and the engine what becomes of their gradients.
///
/// # Errors
///
/// A member or a group whose rule would need another graph: all share one.
pub(super) fn plan(
    rules: &Rules,
    recipe: &Recipe,
    tensors: &[Tensor],
    groups: &mut [usize],
    update: &mut Update,
) -> Result<()> {
    let Some(rule) = rules.rule().tensor_rule() else { return Ok(()) };
    let behind = recipe.groups.len() + 1;
    let taken = |t: usize| groups[t] != FROZEN && rule.takes(&tensors[t].shape);
    if 2 * behind > MAX_GROUPS && (0..tensors.len()).any(taken) {
        let (found, most) = (recipe.groups.len(), MAX_GROUPS / 2 - 1);
        return Err(PopulationError::TooManyGroups { found, most }.into());
    }
    for (t, tensor) in tensors.iter().enumerate() {
        if groups[t] != FROZEN && rule.takes(&tensor.shape) {
            groups[t] += behind;
            update.bare.push(t);
        }
    }
    if update.bare.is_empty() {
        return Ok(());
    }
    let taken = || update.bare.iter().map(|&t| (t, groups[t]));
    let transform = Transform::new(rule, tensors, taken())?;
    for (who, other) in rules.all(recipe) {
        let other = other.tensor_rule().map(|other| Transform::new(other, tensors, taken())).transpose()?;
        if !other.is_some_and(|other| other.is_like(&transform)) {
            return Err(PopulationError::Transform { who, rule: recipe.optimizer.name() }.into());
        }
    }
    update.transform = Some(transform);
    Ok(())
}

impl Held {
    /// Whether some of its tensors are taken whole.
    pub(super) fn is_whole(&self) -> bool {
        !self.bare.is_empty()
    }

    /// Names and shapes of all states where some tensors are taken whole: the element's rule's of the others, `0.bias.exp_avg`,
    /// and then what the transformation keeps.
    fn whole_states(&self, states: &[&str]) -> Vec<(String, Shape)> {
        let others = self.tensors.iter().enumerate().filter(|(t, _)| !self.bare.contains(t));
        let named = others.flat_map(|(_, t)| states.iter().map(|s| (format!("{}.{s}", t.name), t.shape.clone())));
        named.chain(self.kept.iter().map(|t| (t.name.clone(), t.shape.clone()))).collect()
    }
}

impl Trainer {
    /// A member's states as a checkpoint holds them.
    pub(super) fn whole_states(
        &mut self,
        member: usize,
        hold: &dyn Fn(Vec<f64>) -> Values,
    ) -> Result<Vec<checkpoint::Tensor>> {
        let names = self.model.whole_states(self.rules.rule().states());
        let by_state = self.engine.states(member)?;
        let others = (0..self.model.tensors.len()).filter(|t| !self.model.bare.contains(t));
        let elements = others.flat_map(|t| by_state.iter().map(move |state| state[t].clone()));
        let values: Vec<_> = elements.chain(self.engine.tensor_states(member)?).collect();
        let tensor = |((name, shape), values)| checkpoint::Tensor { name, shape, data: hold(values) };
        Ok(names.into_iter().zip(values).map(tensor).collect())
    }

    /// Whether a checkpoint has the states of this model under this rule.
    pub(super) fn check_whole_states(
        &self,
        from: &Checkpoint,
        folder: &std::path::Path,
    ) -> Result<(), CheckpointError> {
        let found: Vec<_> = from.kept.iter().map(|t| (t.name.clone(), t.shape.clone())).collect();
        let expected =
            if self.model.is_whole() { self.model.whole_states(self.rules.rule().states()) } else { Vec::new() };
        checkpoint::compare(&folder.join(checkpoint::OPTIMIZER), &expected, &found)
    }

    /// Gives a member back what [`whole_states`](Self::whole_states) took.
    pub(super) fn put_whole_states(&mut self, member: usize, from: &Checkpoint) -> Result<()> {
        let mut values = from.kept.iter().map(|t| t.data.to_f64());
        let count = self.rules.rule().states().len();
        let mut states = vec![Vec::with_capacity(self.model.tensors.len()); count];
        for t in 0..self.model.tensors.len() {
            let held = !self.model.bare.contains(&t);
            for state in &mut states {
                state.push(if held { values.next().unwrap_or_default() } else { Vec::new() });
            }
        }
        self.engine.set_states(member, &states)?;
        Ok(self.engine.set_tensor_states(member, &values.collect::<Vec<_>>())?)
    }
}

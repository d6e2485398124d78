//! The update rule of each member and parameter group, and its learning rate at each step.

use std::sync::Arc;

use super::recipe::Recipe;
use crate::device::Precision;
use crate::error::{OptimError, PopulationError, Result};
use crate::optim::{DynRule, Hyper};

/// The rules of one run, `[member][group]`; group 0 is that of tensors which no pattern matches.
pub(super) struct Rules {
    members: Vec<Vec<Grouped>>,
    /// Groups an engine knows of.
    groups: usize,
}

/// A rule, and what its learning rate is multiplied by.
struct Grouped {
    rule: Arc<dyn DynRule>,
    factor: f64,
}

impl Rules {
    /// The rules of all members and groups, each validated, all of the same states.
    pub fn new(recipe: &Recipe) -> Result<Self> {
        recipe.optimizer.validate()?;
        if recipe.optimizer.tensor_rule().is_some() {
            let owner = format!("{} ({})", recipe.optimizer.name(), recipe.optimizer.convention());
            return Err(OptimError::WholeTensors { owner }.into());
        }
        let mut members = Vec::with_capacity(recipe.population());
        for m in 0..recipe.population() {
            let mut rule = recipe.optimizer.clone();
            for (field, &value) in recipe.members.get(m).iter().flat_map(|member| &member.optimizer) {
                rule = rule.with(field, value)?;
            }
            let mut grouped = vec![Grouped { rule: rule.clone(), factor: 1.0 }];
            for group in &recipe.groups {
                let rule = match group.weight_decay.filter(|_| !group.frozen) {
                    None => rule.clone(),
                    Some(decay) => rule.with("weight_decay", decay)?,
                };
                grouped.push(Grouped { rule, factor: group.learning_rate_factor });
            }
            members.push(grouped);
        }
        let rules = Self { members, groups: 1 };
        rules.alike(recipe)?;
        Ok(rules)
    }

    /// With as many groups as the engine counts.
    pub fn for_groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// All rules share the buffers of one rule's states, and its kernel.
    fn alike(&self, recipe: &Recipe) -> Result<(), PopulationError> {
        let expected = self.rule();
        let owned = |rule: &dyn DynRule| rule.states().iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        for (m, rules) in self.members.iter().enumerate() {
            for (g, Grouped { rule, .. }) in rules.iter().enumerate() {
                if rule.states() != expected.states() || rule.source() != expected.source() {
                    let who = match g {
                        0 => format!("member {m}"),
                        _ => format!("the parameter group `{}`", recipe.groups[g - 1].pattern),
                    };
                    let (found, expected) = (owned(rule.as_ref()), owned(expected.as_ref()));
                    return Err(PopulationError::States { who, rule: recipe.optimizer.name(), found, expected });
                }
            }
        }
        Ok(())
    }

    /// What engines are made for: a rule of the states and kernel that all have.
    pub fn rule(&self) -> &Arc<dyn DynRule> {
        &self.members[0][0].rule
    }

    /// The base rate of a member.
    pub fn base(&self, member: usize) -> f64 {
        self.members[member][0].rule.learning_rate()
    }

    /// Refuses numbers that floats of `precision` do not hold: those of each rule, and the rates at both ends of a run of `steps`
    /// steps an epoch, between which each schedule only rises or only falls.
    pub fn check(&self, recipe: &Recipe, precision: Precision, steps: usize) -> Result<(), OptimError> {
        recipe.schedule.validate()?;
        let epochs = u64::from(recipe.epochs.max(1));
        let last = epochs * steps.max(1) as u64 - 1;
        for member in &self.members {
            for Grouped { rule, factor } in member {
                match precision {
                    Precision::F32 => rule.validate_f32()?,
                    Precision::F64 => rule.validate()?,
                }
                for (step, epoch) in [(0, 0), (last, epochs - 1)] {
                    recipe.rate(precision, rule.learning_rate(), *factor, step, epoch)?;
                }
            }
        }
        Ok(())
    }

    /// A member's learning rate at step `step` of epoch `epoch`, both from 0, and the numbers of its update for each group.
    pub fn hyper(
        &self,
        recipe: &Recipe,
        precision: Precision,
        member: usize,
        (step, epoch): (u64, u64),
    ) -> Result<(f64, Vec<Hyper>), OptimError> {
        let rate = |g: &Grouped| recipe.rate(precision, g.rule.learning_rate(), g.factor, step, epoch);
        let groups = &self.members[member][..self.groups];
        let numbers = groups.iter().map(|g| Ok(g.rule.hyper(step + 1, rate(g)?))).collect::<Result<_, _>>()?;
        Ok((rate(&groups[0])?, numbers))
    }
}

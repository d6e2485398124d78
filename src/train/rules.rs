//! The update rule of each member and parameter group, and its learning rate at each step.

use std::sync::Arc;

use super::group::Group;
use super::recipe::Recipe;
use crate::device::Precision;
use crate::error::{OptimError, PopulationError, Result};
use crate::optim::{Convention, DynRule, Hyper, Storage};
use crate::schedule::Moment;

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
        recipe.groups.iter().try_for_each(Group::check)?;
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
                    Some(decay) => decaying(&rule, decay)?,
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
        for (who, rule) in self.all(recipe) {
            if rule.states() != expected.states() || rule.source() != expected.source() {
                let (found, expected) = (owned(rule), owned(expected.as_ref()));
                return Err(PopulationError::States { who, rule: recipe.optimizer.name(), found, expected });
            }
        }
        Ok(())
    }

    /// What engines are made for: a rule of the states and kernel that all have.
    pub fn rule(&self) -> &Arc<dyn DynRule> {
        &self.members[0][0].rule
    }

    /// What a state of a member's tensor in that group begins with, where it is not what engines begin with.
    pub fn initial_state(&self, member: usize, group: usize, state: usize) -> Option<f64> {
        let own = self.members[member].get(group)?.rule.initial_state(state);
        (own != self.rule().initial_state(state)).then_some(own)
    }

    /// The rules of all members and groups, and whose they are.
    pub fn all<'a>(&'a self, recipe: &'a Recipe) -> impl Iterator<Item = (String, &'a dyn DynRule)> {
        let who = move |m: usize, g: usize| match g {
            0 => format!("member {m}"),
            _ => format!("the parameter group `{}`", recipe.groups[g - 1].pattern),
        };
        let members = self.members.iter().enumerate();
        members.flat_map(move |(m, rules)| {
            rules.iter().enumerate().map(move |(g, grouped)| (who(m, g), grouped.rule.as_ref()))
        })
    }

    /// The base rate of a member.
    pub fn base(&self, member: usize) -> f64 {
        self.members[member][0].rule.learning_rate()
    }

    /// Refuses numbers that floats of `precision` do not hold, in a run of `updates` updates an epoch: those of each rule, its
    /// rates and momenta.
    pub fn check(&self, recipe: &Recipe, precision: Precision, updates: usize) -> Result<(), OptimError> {
        recipe.schedule.validate()?;
        let (updates, epochs) = (updates.max(1) as u64, u64::from(recipe.epochs.max(1)));
        let last = updates * epochs - 1;
        // Each update of most runs. Of longer ones so many, and each is looked at again when it is sent.
        let stride = usize::try_from(last / LOOKED_AT + 1).unwrap_or(usize::MAX);
        for member in &self.members {
            for Grouped { rule, factor } in member {
                valid(rule.as_ref(), precision)?;
                held(rule.as_ref(), recipe.update.storage)?;
                for momentum in recipe.schedule.momenta().into_iter().flatten() {
                    with_momentum(recipe, rule, precision, momentum)?;
                }
                for step in (0..last).step_by(stride).chain([last]) {
                    let at = Moment::new(step, updates, epochs);
                    recipe.rate(precision, rule.learning_rate(), *factor, &at)?;
                }
            }
        }
        Ok(())
    }

    /// The rule of member 0 and that group, and what its learning rate is multiplied by.
    pub fn of(&self, group: usize) -> (&dyn DynRule, f64) {
        let Grouped { rule, factor } = &self.members[0][group];
        (rule.as_ref(), *factor)
    }

    /// Whether an update, from the second on, depends on how many there were before.
    pub fn count(&self) -> bool {
        let counts = |g: &Grouped| g.rule.hyper(2, g.rule.learning_rate()) != g.rule.hyper(3, g.rule.learning_rate());
        self.members.iter().flatten().any(counts)
    }

    /// A member's learning rate at that moment, and the numbers of its update for each group; `before` updates were made
    /// before the run.
    pub fn hyper(
        &self,
        recipe: &Recipe,
        precision: Precision,
        member: usize,
        at: &Moment,
        before: i64,
    ) -> Result<(f64, Vec<Hyper>), OptimError> {
        let step = at.step.saturating_add_signed(before).saturating_add(1);
        let rate = |g: &Grouped| recipe.rate(precision, g.rule.learning_rate(), g.factor, at);
        let groups = &self.members[member];
        let numbers = |n: usize| {
            let own = &groups[n % groups.len()];
            let rule = match recipe.schedule.momentum(at) {
                None => own.rule.clone(),
                Some(momentum) => with_momentum(recipe, &own.rule, precision, momentum)?,
            };
            let rate = rate(own)?;
            // Behind the groups of the rule's elements are those of its whole tensors.
            Ok(match rule.tensor_rule() {
                Some(whole) if n >= groups.len() => {
                    let mut hyper = whole.hyper(step, rate);
                    hyper[2..].iter_mut().zip(whole.numbers(step, rate)).for_each(|(h, x)| *h = x);
                    hyper
                }
                _ => rule.hyper(step, rate),
            })
        };
        let numbers = (0..self.groups).map(numbers).collect::<Result<_, _>>()?;
        Ok((rate(&groups[0])?, numbers))
    }
}

/// The rule with another λ, and another of what it leaves to AdamW: a group's is of all its tensors.
fn decaying(rule: &Arc<dyn DynRule>, decay: f64) -> Result<Arc<dyn DynRule>, OptimError> {
    let rule = rule.with("weight_decay", decay)?;
    match rule.with("adam_weight_decay", decay) {
        Err(OptimError::Field { .. }) => Ok(rule),
        other => other,
    }
}

/// Updates whose rates are looked at before a run, besides the last.
const LOOKED_AT: u64 = 1 << 16;

/// States that a rule divides by, or by the root of.
const DIVISORS: &[&str] = &["exp_avg_sq", "max_exp_avg_sq", "square_avg", "sum", "acc_delta", "exp_inf"];

/// Refuses f16 for states that are far below 1 and stand in a denominator: they vanish, and the step is divided by ε alone.
fn held(rule: &dyn DynRule, storage: Storage) -> Result<(), OptimError> {
    match rule.states().iter().find(|state| storage == Storage::F16 && DIVISORS.contains(state)) {
        None => Ok(()),
        Some(&state) => {
            let owner = format!("{} in the {} convention", rule.name(), rule.convention());
            Err(OptimError::Vanishes { owner, state, storage: storage.name() })
        }
    }
}

fn valid(rule: &dyn DynRule, precision: Precision) -> Result<(), OptimError> {
    match precision {
        Precision::F32 => rule.validate_f32(),
        Precision::F64 => rule.validate(),
    }
}

/// The rule with another `momentum`, or else `beta1`.
fn with_momentum(
    recipe: &Recipe,
    from: &Arc<dyn DynRule>,
    precision: Precision,
    momentum: f64,
) -> Result<Arc<dyn DynRule>, OptimError> {
    let refused = |why| OptimError::Momentum {
        schedule: recipe.schedule.curve().name(),
        owner: format!("{} in the {} convention", from.name(), from.convention()),
        why,
    };
    if from.name() == "nadam" && from.convention() != Convention::Optax {
        return Err(refused(
            "takes the product of all its momenta so far, which is known for one that stays alone. Leave the schedule's momentum \
             out, or take Optax's convention",
        ));
    }
    let absent = |error: &OptimError| matches!(error, OptimError::Field { .. });
    let rule = match from.with("momentum", momentum) {
        Err(error) if absent(&error) => from.with("beta1", momentum),
        other => other,
    };
    let rule = rule.map_err(|error| match absent(&error) {
        true => refused(
            "has neither `momentum` nor `beta1`. Take a rule that has one, or leave the schedule's momentum out",
        ),
        false => error,
    })?;
    if (rule.states(), rule.source()) != (from.states(), from.source()) {
        return Err(refused(
            "is another rule with a momentum of 0 than with one above. Let the optimizer's own and the schedule's \
             all be above 0",
        ));
    }
    valid(rule.as_ref(), precision)?;
    Ok(rule)
}

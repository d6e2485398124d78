//! What the members of a population have of their own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::PopulationError;
use crate::graph::{Graph, Kind, NodeId};

/// What one member of a population has of its own; whatever is left out is the recipe's.
///
/// ```
/// use thalweg::train::{Member, Recipe};
///
/// // The same model under three learning rates, in one run.
/// let members = [1e-3, 1e-2, 1e-1].map(|rate| Member::default().with("learning_rate", rate));
/// let recipe = Recipe { members: members.into(), ..Recipe::default() };
/// assert_eq!((recipe.population(), recipe.seed_of(2)), (3, 1));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Of its initial weights, dropout and changes of images; not of the order of the rows, which all members share.
    #[serde(skip)]
    pub seed: Option<u64>,
    /// Numbers of the update rule, by their names in the TOML form: `learning_rate`, `momentum`, `weight_decay`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub optimizer: BTreeMap<String, f64>,
    /// The penalty's factor λ, finite and at least 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l2: Option<f64>,
    /// The rate of every dropout of the model, in `[0, 1]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// Other scalars that the model's graph takes as settings, by their names there: `2.p` for one dropout alone, which goes
    /// before [`dropout`](Self::dropout).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, f64>,
}

impl Member {
    /// With a number of the update rule.
    pub fn with(mut self, field: &str, value: f64) -> Self {
        self.optimizer.insert(field.into(), value);
        self
    }

    /// The settings of `graph` that are this member's own, as `(name, value)`; `member` is its number, for errors.
    pub(super) fn settings_of(&self, member: usize, graph: &Graph) -> Result<Vec<(String, f64)>, PopulationError> {
        let rates = dropouts(graph);
        let mut own: BTreeMap<String, f64> = BTreeMap::new();
        let known = || graph.settings().map(|(name, _)| name.to_owned()).collect();
        if let Some(p) = self.dropout {
            if rates.is_empty() {
                return Err(PopulationError::NoSetting { member, name: "dropout".into(), known: known() });
            }
            own.extend(rates.iter().map(|name| (name.clone(), p)));
        }
        own.extend(self.settings.iter().map(|(name, value)| (name.clone(), *value)));
        for (name, &found) in &own {
            if !graph.settings().any(|(known, _)| known == name) {
                return Err(PopulationError::NoSetting { member, name: name.clone(), known: known() });
            }
            let is_rate = rates.contains(name);
            let holds = if is_rate { (0.0..=1.0).contains(&found) } else { (found as f32).is_finite() };
            if !holds {
                let range = if is_rate { "in [0, 1]" } else { "finite, in f32 too" };
                return Err(PopulationError::Range { member, name: name.clone(), range, found });
            }
        }
        Ok(own.into_iter().collect())
    }
}

/// Refuses a λ of a member that is none.
pub(super) fn check_l2(member: usize, found: f64) -> Result<(), PopulationError> {
    if (found as f32).is_finite() && found >= 0.0 {
        return Ok(());
    }
    let range = "finite and at least 0, in f32 too";
    Err(PopulationError::Range { member, name: "l2".into(), range, found })
}

/// The settings that are rates of dropout.
fn dropouts(graph: &Graph) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let name = |id: &NodeId| match &graph.node(*id).kind {
        Kind::Setting { name, .. } => Some(name.clone()),
        _ => None,
    };
    for node in graph.nodes() {
        if let Kind::Op { op, inputs } = &node.kind
            && op.name() == "dropout"
            && let Some(rate) = inputs.get(1).and_then(name)
            && !names.contains(&rate)
        {
            names.push(rate);
        }
    }
    names
}

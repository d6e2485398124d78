//! Hyper-parameters of PyTorch's optimizer that are others in the run.

use serde_json::{Map, Value};

use super::{Named, Wanted};
use crate::error::OptimError;
use crate::optim::{DynRule, FROZEN};

/// A hyper-parameter of PyTorch's optimizer that is another in the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name there: `betas`.
    pub field: String,
    /// What it was there, as JSON.
    pub found: String,
    /// The tensors it was for.
    pub tensors: Vec<String>,
}

/// What PyTorch's groups had otherwise than the run's rules.
pub(super) fn differences(groups: &[Map<String, Value>], named: &Named<'_>, wanted: &Wanted<'_>) -> Vec<Difference> {
    let mut all: Vec<Difference> = Vec::new();
    for group in groups {
        let ids = group.get("params").and_then(Value::as_array).into_iter().flatten();
        let of_id = |id: &Value| named.find(&id.as_str().map_or_else(|| id.to_string(), str::to_owned));
        for place in ids.filter_map(of_id).filter(|&place| wanted.groups[place] != FROZEN) {
            let (rule, factor) = wanted.rules.of(wanted.groups[place]);
            for (field, found) in group.iter().filter(|(field, value)| differs(rule, factor, group, field, value)) {
                let (found, tensor) = (found.to_string(), wanted.tensors[place].name.clone());
                match all.iter_mut().find(|d| d.field == *field && d.found == found) {
                    Some(known) => known.tensors.push(tensor),
                    None => all.push(Difference { field: field.clone(), found, tensors: vec![tensor] }),
                }
            }
        }
    }
    all
}

/// Whether an update with the value of PyTorch's field would be another than the run's.
fn differs(rule: &dyn DynRule, factor: f64, group: &Map<String, Value>, field: &str, value: &Value) -> bool {
    let number = |ours: &str, value: &Value| value.as_f64().is_some_and(|value| changes(rule, ours, value));
    match field {
        // A schedule of PyTorch's has moved `lr` on from there.
        "lr" => {
            let base = group.get("initial_lr").unwrap_or(value);
            base.as_f64().is_some_and(|rate| rate != rule.learning_rate() * factor)
        }
        "betas" => {
            let of = |n: usize, ours: &str| value.get(n).is_some_and(|value| number(ours, value));
            of(0, "beta1") || of(1, "beta2")
        }
        "momentum" | "dampening" | "weight_decay" | "lr_decay" | "momentum_decay" => number(field, value),
        "eps" => number("epsilon", value),
        "alpha" | "rho" => number("decay", value),
        "maximize" => value == &Value::Bool(true),
        "nesterov" => value == &Value::Bool(rule.name() != "nesterov"),
        "decoupled_weight_decay" => {
            let decays = group.get("weight_decay").and_then(Value::as_f64).is_some_and(|decay| decay != 0.0);
            let own = match rule.name() {
                "adam" => false,
                "adamw" => true,
                _ => return false,
            };
            decays && value == &Value::Bool(!own)
        }
        _ => false,
    }
}

fn changes(rule: &dyn DynRule, field: &str, value: f64) -> bool {
    match rule.with(field, value) {
        Ok(other) => [2, 3].iter().any(|&t| {
            let rate = rule.learning_rate();
            other.hyper(t, rate) != rule.hyper(t, rate)
        }),
        Err(OptimError::Field { .. }) => value != 0.0,
        Err(_) => true,
    }
}

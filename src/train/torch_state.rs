//! The state of a PyTorch optimizer, out of a safetensors file.

mod difference;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

pub use self::difference::Difference;
use self::difference::differences;
use super::checkpoint::{Any, read_any};
use super::rules::Rules;
use crate::data::Values;
use crate::device::{Precision, Tensor};
use crate::error::{CheckpointError, Misshaped, Mistyped};
use crate::optim::{DynRule, FROZEN};
use crate::shape::Shape;

/// What a run takes from the state of a PyTorch optimizer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TorchOptimizer {
    /// Updates that PyTorch made: what bias corrections go on counting from. 1 where the file does not say it, which is so only
    /// of optimizers that do not need it.
    pub updates: u64,
    /// Hyper-parameters that the run has otherwise: the run's are used.
    pub differences: Vec<Difference>,
}

/// What is read into.
pub(super) struct Wanted<'a> {
    pub tensors: &'a [Tensor],
    /// The group of each tensor, 0 for none, or [`FROZEN`].
    pub groups: &'a [usize],
    pub rules: &'a Rules,
    pub precision: Precision,
}

/// Each state of each tensor.
type States = Vec<Vec<Vec<f64>>>;

/// The tensor that a part of a name means: by its name, or by its number among the model's.
struct Named<'a> {
    tensors: &'a [Tensor],
    numbers: Option<BTreeMap<u64, &'a str>>,
}

impl Named<'_> {
    fn is_name(&self, id: &str) -> bool {
        self.tensors.iter().any(|t| t.name == id)
    }

    fn find(&self, id: &str) -> Option<usize> {
        let of_name = |name: &str| self.tensors.iter().position(|t| t.name == name);
        of_name(id).or_else(|| {
            let number: u64 = id.parse().ok()?;
            match &self.numbers {
                Some(names) => of_name(names.get(&number)?),
                None => usize::try_from(number).ok().filter(|&n| n < self.tensors.len()),
            }
        })
    }
}

/// The states in the rule's order, none of an optimizer that made no step; and what else the file says.
pub(super) fn read(path: &Path, wanted: &Wanted<'_>) -> Result<(States, TorchOptimizer), CheckpointError> {
    let (file, groups) = read_any(path, "param_groups")?;
    let groups = groups.map(|text| parse(path, &text)).transpose()?;
    let named = Named { tensors: wanted.tensors, numbers: groups.as_deref().and_then(numbered) };
    let by_number = file.keys().filter_map(|name| split(name)).any(|(id, _)| id.parse::<u64>().is_ok());
    if let (true, None, Some(groups)) = (by_number, &named.numbers, groups.as_ref().filter(|all| all.len() > 1)) {
        return Err(CheckpointError::Numbered { path: path.into(), groups: groups.len() });
    }
    // PyTorch makes states in the first step.
    let fresh = file.is_empty() && groups.is_some();
    let mut found: BTreeMap<(usize, String), Any> = BTreeMap::new();
    let mut extra = Vec::new();
    // A name goes before the number of the same tensor, which then is one too many.
    let is_name = |name: &str| split(name).is_some_and(|(id, _)| named.is_name(id));
    let (by_name, others): (Vec<_>, Vec<_>) = file.into_iter().partition(|(name, _)| is_name(name));
    for (name, any) in by_name.into_iter().chain(others) {
        match split(&name).and_then(|(id, field)| Some((named.find(id)?, field.to_owned()))) {
            Some(key) if !found.contains_key(&key) => drop(found.insert(key, any)),
            _ => extra.push((name, any.shape)),
        }
    }
    let (rule, _) = wanted.rules.of(0);
    check_kind(path, rule, &found)?;

    let mut reader = Reader { found, extra, missing: Vec::new(), misshaped: Vec::new(), wrong_dtype: Vec::new() };
    let mut states: States = Vec::with_capacity(rule.states().len());
    for (s, field) in rule.states().iter().enumerate() {
        let tensor = |(tensor, &group): (&Tensor, &usize)| {
            let needed = !fresh && group != FROZEN;
            let values = reader.floats(wanted.tensors, tensor, field, needed);
            values.map_or_else(|| vec![rule.initial_state(s); tensor.shape.elements()], |values| values.to_f64())
        };
        states.push(wanted.tensors.iter().zip(wanted.groups).map(tensor).collect());
    }
    let counts = reader.counts(wanted, !fresh && wanted.rules.count());
    reader.finish(path)?;
    for (field, tensors) in rule.states().iter().zip(&states) {
        for (tensor, values) in wanted.tensors.iter().zip(tensors) {
            check_numbers(path, wanted.precision, &tensor.name, field, values)?;
        }
    }
    if fresh {
        states.clear();
    }
    let updates = match updates(path, &counts)? {
        _ if fresh => 0,
        Some(updates) => updates,
        None => 1,
    };
    let differences = differences(groups.as_deref().unwrap_or_default(), &named, wanted);
    Ok((states, TorchOptimizer { updates, differences }))
}

/// `state.0.weight.exp_avg` is `exp_avg` of `0.weight`.
fn split(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("state.")?.rsplit_once('.')
}

fn parse(path: &Path, text: &str) -> Result<Vec<Map<String, Value>>, CheckpointError> {
    serde_json::from_str(text).map_err(|error| CheckpointError::Corrupt {
        path: path.into(),
        reason: format!("the `param_groups` of its metadata are no list of JSON objects: {error}"),
    })
}

/// The name of each number, where all groups say them: PyTorch's `param_names`.
fn numbered(groups: &[Map<String, Value>]) -> Option<BTreeMap<u64, &str>> {
    let mut names = BTreeMap::new();
    for group in groups {
        let (numbers, own) = (group.get("params")?.as_array()?, group.get("param_names")?.as_array()?);
        for (number, name) in numbers.iter().zip(own) {
            names.insert(number.as_u64()?, name.as_str()?);
        }
    }
    Some(names)
}

/// Scalars that PyTorch keeps of a tensor.
fn is_count(rule: &dyn DynRule, field: &str) -> bool {
    // NAdam's product of momenta follows from the count.
    field == "step" || (field == "mu_product" && rule.name() == "nadam")
}

/// Refuses the states of another optimizer.
fn check_kind(path: &Path, rule: &dyn DynRule, found: &BTreeMap<(usize, String), Any>) -> Result<(), CheckpointError> {
    let mut fields: Vec<&str> = Vec::new();
    for (_, field) in found.keys() {
        if !is_count(rule, field) && !fields.contains(&field.as_str()) {
            fields.push(field);
        }
    }
    let same = fields.len() == rule.states().len() && rule.states().iter().all(|state| fields.contains(state));
    if found.is_empty() || same {
        return Ok(());
    }
    let said = |states: &[&str]| if states.is_empty() { "none".to_owned() } else { states.join(", ") };
    let (found, expected) = (said(&fields), said(rule.states()));
    Err(CheckpointError::Differs { path: path.into(), setting: "optimizer states", found, expected })
}

/// What is taken out of a file, and all that is wrong with it.
struct Reader {
    found: BTreeMap<(usize, String), Any>,
    missing: Vec<(String, Shape)>,
    extra: Vec<(String, Shape)>,
    misshaped: Vec<Misshaped>,
    wrong_dtype: Vec<Mistyped>,
}

impl Reader {
    fn floats(&mut self, all: &[Tensor], tensor: &Tensor, field: &str, needed: bool) -> Option<Values> {
        let place = all.iter().position(|t| t.name == tensor.name)?;
        let (name, expected) = (format!("state.{}.{field}", tensor.name), tensor.shape.clone());
        let Some(Any { shape, dtype, floats, .. }) = self.found.remove(&(place, field.to_owned())) else {
            if needed {
                self.missing.push((name, expected));
            }
            return None;
        };
        if floats.is_none() {
            self.wrong_dtype.push(Mistyped { name: name.clone(), expected: "floats", found: dtype });
        }
        if shape != expected {
            self.misshaped.push(Misshaped { name, expected, found: shape });
        }
        floats
    }

    /// How often each tensor was updated, as far as it is said; of frozen ones it does not matter.
    fn counts(&mut self, wanted: &Wanted<'_>, needed: bool) -> Vec<(String, f64)> {
        let mut counts = Vec::new();
        for (place, (tensor, &group)) in wanted.tensors.iter().zip(wanted.groups).enumerate() {
            self.found.remove(&(place, "mu_product".to_owned()));
            let name = format!("state.{}.step", tensor.name);
            let Some(any) = self.found.remove(&(place, "step".to_owned())) else {
                if needed && group != FROZEN {
                    self.missing.push((name, Shape::from([])));
                }
                continue;
            };
            let number = any.floats.as_ref().filter(|floats| floats.len() == 1).map(|floats| floats.get(0));
            match number.or(any.count.map(|n| n as f64)) {
                Some(_) if group == FROZEN => {}
                Some(number) => counts.push((tensor.name.clone(), number)),
                None => {
                    let found = format!("{} of shape {}", any.dtype, any.shape);
                    self.wrong_dtype.push(Mistyped { name, expected: "one number", found });
                }
            }
        }
        counts
    }

    fn finish(self, path: &Path) -> Result<(), CheckpointError> {
        let Self { missing, extra, misshaped, wrong_dtype, .. } = self;
        if missing.is_empty() && extra.is_empty() && misshaped.is_empty() && wrong_dtype.is_empty() {
            return Ok(());
        }
        Err(CheckpointError::Mismatch { path: path.into(), missing, extra, misshaped, wrong_dtype })
    }
}

/// States whose roots are taken.
const SQUARES: &[&str] =
    &["exp_avg_sq", "max_exp_avg_sq", "square_avg", "acc_delta", "sum", "row_var", "col_var", "variance"];

fn check_numbers(
    path: &Path,
    precision: Precision,
    tensor: &str,
    field: &str,
    values: &[f64],
) -> Result<(), CheckpointError> {
    if let Some(place) = values.iter().position(|&x| !precision.holds_finite(x)) {
        let (path, tensor, floats) = (path.into(), format!("state.{tensor}.{field}"), precision.name());
        return Err(CheckpointError::NonFinite { path, tensor, place, found: values[place], floats });
    }
    if let (true, Some(found)) = (SQUARES.contains(&field), values.iter().find(|&&x| x < 0.0)) {
        let (found, expected) = (format!("{found} in `state.{tensor}.{field}`"), "at least 0".into());
        return Err(CheckpointError::Inconsistent {
            path: path.into(),
            what: "a mean or sum of squares",
            found,
            expected,
        });
    }
    Ok(())
}

/// The one count of all tensors.
fn updates(path: &Path, counts: &[(String, f64)]) -> Result<Option<u64>, CheckpointError> {
    // What f64 and the file of a run keep exactly.
    const MOST: f64 = (1_u64 << 53) as f64;
    for (tensor, found) in counts {
        if !((0.0..=MOST).contains(found) && found.fract() == 0.0) {
            let (found, expected) =
                (format!("{found} in `state.{tensor}.step`"), "a whole number from 0 to 2⁵³".into());
            return Err(CheckpointError::Inconsistent { path: path.into(), what: "step", found, expected });
        }
    }
    let Some((other, expected)) = counts.first() else { return Ok(None) };
    match counts.iter().find(|(_, found)| found != expected) {
        None => Ok(Some(*expected as u64)),
        Some((tensor, found)) => Err(CheckpointError::Unequal {
            path: path.into(),
            tensor: tensor.clone(),
            found: *found as u64,
            other: other.clone(),
            expected: *expected as u64,
        }),
    }
}

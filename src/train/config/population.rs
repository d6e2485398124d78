//! `[population]`.

use std::collections::BTreeMap;
use std::fmt;

use toml::Value;

use super::RunConfig;
use super::read::{Section, count, wrong_type};
use crate::error::{ConfigError, OptimError};
use crate::nn::{LayerSpec, Value as Field};
use crate::optim::{FieldValue, Optimizer};
use crate::train::member::Member;
use crate::train::spread::Spread;

/// The seeds of a population.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seeds {
    /// `train.seed` for the first member, the next whole number for the next, modulo 2⁶³.
    #[default]
    Counted,
    /// One for all.
    All(u64),
    /// One a member.
    Each(Vec<u64>),
}

/// `[population]`: what the members of a population have of their own, each a list or a distribution.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PopulationConfig {
    /// `seed`: of weights and dropout; a list, or one for all; default: counted from `train.seed` on.
    pub seed: Seeds,
    /// By name: any number of the optimizer (`learning_rate`, `momentum`, `weight_decay`, …), `l2`, and `dropout`, the rate of
    /// all dropout layers.
    pub numbers: BTreeMap<String, Spread>,
}

impl PopulationConfig {
    /// Reads the section, and how many members there are: `given` in `[train]`, or what the lists say.
    pub(super) fn read(
        section: &Section<'_>,
        given: Option<usize>,
        optimizer: &Optimizer,
    ) -> Result<(Self, usize), ConfigError> {
        let mut copy = optimizer.clone();
        let fields: Vec<&str> =
            copy.fields().iter().filter(|f| matches!(f.value, FieldValue::Number(_))).map(|f| f.name).collect();
        let known = [&["seed", "l2", "dropout"], &fields[..]].concat();
        section.only("[population]", &known)?;
        let mut read = Self { seed: seeds(section)?, ..Self::default() };
        for key in section.table().keys().filter(|key| *key != "seed") {
            read.numbers.insert(key.clone(), spread(section, key)?);
        }
        let count = read.count(given)?;
        for (name, spread) in &read.numbers {
            spread.ends().iter().try_for_each(|&x| check(section, optimizer, name, x))?;
        }
        Ok((read, count))
    }

    /// Whether nothing differs.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// How many members the lists make, which must agree with one another and with `train.population`.
    fn count(&self, given: Option<usize>) -> Result<usize, ConfigError> {
        let mut lists: Vec<(String, usize)> = Vec::new();
        if let Seeds::Each(seeds) = &self.seed {
            lists.push(("population.seed".into(), seeds.len()));
        }
        for (name, spread) in &self.numbers {
            if let Spread::Each(list) = spread {
                lists.push((format!("population.{name}"), list.len()));
            }
        }
        let count = match (given, lists.first()) {
            (Some(given), _) => given,
            (None, Some((_, length))) => *length,
            (None, None) if self.is_none() => 1,
            (None, None) => {
                let expected = "how many members to draw numbers for, as `population = 4`".into();
                return Err(ConfigError::Missing { key: "train.population".into(), expected });
            }
        };
        match lists.iter().all(|(_, length)| *length == count) {
            true => Ok(count),
            false => Err(ConfigError::Lengths { lists, population: given }),
        }
    }
}

/// Refuses a number that a member cannot have.
fn check(section: &Section<'_>, optimizer: &Optimizer, name: &str, x: f64) -> Result<(), ConfigError> {
    let held = match name {
        "l2" => section.within(name, "finite and at least 0, in f32 too", x, (x as f32).is_finite() && x >= 0.0),
        "dropout" => section.within(name, "in [0, 1]", x, (0.0..=1.0).contains(&x)),
        _ => optimizer.rule().with(name, x).map(|_| x).map_err(|error| section.located("optimizer", &[], error)),
    };
    held.map(|_| ())
}

const SEEDS: &str = "a whole number from 0 on, or a list of them";
const SPREAD: &str = "a list of numbers, or a distribution such as { log_uniform = [1e-4, 1e-1] }";

fn seeds(section: &Section<'_>) -> Result<Seeds, ConfigError> {
    let seed = |key: String, value: &Value| match value {
        Value::Integer(_) => Ok(count(key, value, 0)? as u64),
        other => Err(wrong_type(key, SEEDS, other)),
    };
    match section.get("seed") {
        None => Ok(Seeds::Counted),
        Some(Value::Array(list)) if list.is_empty() => Err(empty(section.key("seed"))),
        Some(Value::Array(list)) => {
            let each = |(i, value)| seed(format!("{}[{i}]", section.key("seed")), value);
            Ok(Seeds::Each(list.iter().enumerate().map(each).collect::<Result<_, _>>()?))
        }
        Some(one) => Ok(Seeds::All(seed(section.key("seed"), one)?)),
    }
}

fn empty(key: String) -> ConfigError {
    ConfigError::Range { key, range: "a list with a number for each member".into(), found: "an empty one".into() }
}

fn spread(section: &Section<'_>, name: &str) -> Result<Spread, ConfigError> {
    let key = section.key(name);
    let Some(value) = section.get(name) else { return Err(empty(key)) };
    let spread = match value {
        Value::Array(list) => Spread::Each(numbers(&key, list)?),
        Value::Table(table) => {
            let inner = Section::at(key.clone(), value)?;
            inner.only("a distribution", &Spread::NAMES)?;
            let [(kind, _)] = table.iter().collect::<Vec<_>>()[..] else {
                let found = format!("a table of {}", table.len());
                return Err(ConfigError::Type {
                    key,
                    expected: "one distribution: uniform, log_uniform or choice",
                    found,
                });
            };
            let list = numbers(&inner.key(kind), inner.list(kind)?.map_or(&[][..], Vec::as_slice))?;
            match (kind.as_str(), &list[..]) {
                ("choice", _) => Spread::Choice(list),
                ("uniform", &[a, b]) => Spread::Uniform([a, b]),
                ("log_uniform", &[a, b]) => Spread::LogUniform([a, b]),
                _ => {
                    let (key, found) = (inner.key(kind), format!("a list of {}", list.len()));
                    return Err(ConfigError::Type { key, expected: "a list of two numbers, the smaller first", found });
                }
            }
        }
        other => return Err(wrong_type(key, SPREAD, other)),
    };
    match spread.wrong() {
        None => Ok(spread),
        Some(range) => {
            let found = format!("{:?}", spread.ends());
            Err(ConfigError::Range { key, range: range.into(), found })
        }
    }
}

fn numbers(key: &str, list: &[Value]) -> Result<Vec<f64>, ConfigError> {
    let number = |(i, value): (usize, &Value)| {
        let x = value.as_float().or_else(|| value.as_integer().map(|n| n as f64));
        x.ok_or_else(|| wrong_type(format!("{key}[{i}]"), "a number", value))
    };
    list.iter().enumerate().map(number).collect()
}

impl RunConfig {
    /// The members of the run's population; none for a run of one model.
    ///
    /// ```
    /// use thalweg::train::config::RunConfig;
    /// let run = RunConfig::parse("[population]\nlearning_rate = [1e-3, 1e-2]\nl2 = { log_uniform = [1e-5, 1e-2] }", &[])?;
    /// let members = run.members();
    /// assert_eq!((run.train.population, members[1].seed, members[1].optimizer["learning_rate"]), (2, Some(2), 1e-2));
    /// assert!(members[0].l2.is_some_and(|l2| (1e-5..=1e-2).contains(&l2)));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn members(&self) -> Vec<Member> {
        if self.train.population == 1 && self.population.is_none() {
            return Vec::new();
        }
        (0..self.train.population).map(|m| self.member(m)).collect()
    }

    fn member(&self, m: usize) -> Member {
        let base = self.train.seed;
        let seed = match &self.population.seed {
            // The largest whole number of TOML is 2⁶³ − 1: a member's own run must be written.
            Seeds::Counted => base.wrapping_add(m as u64) & i64::MAX as u64,
            Seeds::All(seed) => *seed,
            Seeds::Each(seeds) => seeds.get(m).copied().unwrap_or(base),
        };
        let mut member = Member { seed: Some(seed), ..Member::default() };
        for (name, spread) in &self.population.numbers {
            let x = spread.of(base, name, m);
            match name.as_str() {
                "l2" => member.l2 = Some(x),
                "dropout" => member.dropout = Some(x),
                _ => member = member.with(name, x),
            }
        }
        member
    }

    /// The run that trains a member alone, with the bits it has in the population: what is kept in its folder.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Range`] where a number was changed since the run was read, so that a layer or the optimizer refuses it.
    pub fn alone(&self, member: usize) -> Result<Self, ConfigError> {
        let own = self.member(member);
        let mut run = self.clone();
        let order = self.train.shuffle_seed.unwrap_or(self.train.seed);
        run.train.seed = own.seed.unwrap_or(self.train.seed);
        run.train.shuffle_seed = Some(order).filter(|order| *order != run.train.seed);
        run.train.population = 1;
        run.population = PopulationConfig::default();
        if !own.optimizer.is_empty() {
            let mut table = run.optimizer.to_table();
            table.extend(own.optimizer.iter().map(|(name, x)| (name.clone(), Value::Float(*x))));
            let refused = |error: OptimError| Section::empty("population").located("optimizer", &[], error);
            run.optimizer = Optimizer::from_table(&table).map_err(refused)?;
        }
        run.model.l2 = own.l2.unwrap_or(run.model.l2);
        if let Some(p) = own.dropout {
            run.model.layers = run.model.layers.into_iter().map(|layer| quieter(layer, p)).collect::<Result<_, _>>()?;
        }
        Ok(run)
    }
}

/// A layer with its dropout at the rate `p`, and that of all layers within it.
fn quieter(layer: LayerSpec, p: f64) -> Result<LayerSpec, ConfigError> {
    let refused = |source| ConfigError::Layer { key: "population.dropout".into(), source };
    let drops = layer.entry().name.starts_with("dropout");
    let fields: Vec<(&str, Field)> = layer.values().map(|(name, value)| (name, value.clone())).collect();
    fields.into_iter().try_fold(layer, |layer, (name, value)| match value {
        Field::Real(_) if drops && name == "p" => layer.with(name, Field::Real(p)).map_err(refused),
        Field::Layers(within) => {
            let within = within.into_iter().map(|inner| quieter(inner, p)).collect::<Result<_, _>>()?;
            layer.with(name, Field::Layers(within)).map_err(refused)
        }
        _ => Ok(layer),
    })
}

impl fmt::Display for PopulationConfig {
    /// The section's lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.seed {
            Seeds::Counted => {}
            Seeds::All(seed) => writeln!(f, "seed = {seed}")?,
            Seeds::Each(seeds) => writeln!(f, "seed = {seeds:?}")?,
        }
        for (name, spread) in &self.numbers {
            // Debug keeps the point of `1.0` and writes 1e-8 short.
            match spread {
                Spread::Each(list) => writeln!(f, "{name} = {list:?}")?,
                Spread::Uniform(ends) => writeln!(f, "{name} = {{ uniform = {ends:?} }}")?,
                Spread::LogUniform(ends) => writeln!(f, "{name} = {{ log_uniform = {ends:?} }}")?,
                Spread::Choice(list) => writeln!(f, "{name} = {{ choice = {list:?} }}")?,
            }
        }
        Ok(())
    }
}

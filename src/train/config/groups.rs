//! `[[optimizer.groups]]`.

use std::fmt;

use toml::Value;

use super::read::{Section, wrong_type};
use crate::error::ConfigError;
use crate::optim::Optimizer;
use crate::train::group::Group;

const KEYS: &[&str] = &["pattern", "learning_rate_factor", "weight_decay", "frozen"];

/// The groups of the section `[optimizer]`.
pub(super) fn read(section: &Section<'_>, optimizer: &Optimizer) -> Result<Vec<Group>, ConfigError> {
    let list = match section.get("groups") {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(other) => {
            return Err(wrong_type(section.key("groups"), "a list of tables, `[[optimizer.groups]]`", other));
        }
    };
    let at = |i: usize| format!("{}[{i}]", section.key("groups"));
    list.iter().enumerate().map(|(i, item)| one(&Section::at(at(i), item)?, optimizer)).collect()
}

fn one(section: &Section<'_>, optimizer: &Optimizer) -> Result<Group, ConfigError> {
    section.only("a parameter group", KEYS)?;
    let pattern = section.text("pattern")?.ok_or_else(|| ConfigError::Missing {
        key: section.key("pattern"),
        expected: "the names of the group's tensors, as `*.bias`".into(),
    })?;
    let mut group = Group::new(pattern);
    if let Some(x) = section.number("learning_rate_factor")? {
        let range = "positive and finite (`frozen = true` keeps tensors as they are)";
        group.learning_rate_factor = section.within("learning_rate_factor", range, x, x > 0.0 && x.is_finite())?;
    }
    group.weight_decay = section.number("weight_decay")?;
    if let Some(decay) = group.weight_decay {
        optimizer.rule().with("weight_decay", decay).map_err(|error| section.located("optimizer", error))?;
    }
    group.frozen = section.flag("frozen")?.unwrap_or(false);
    Ok(group)
}

/// The lines of a list of groups.
pub(super) fn write(f: &mut fmt::Formatter<'_>, groups: &[Group]) -> fmt::Result {
    for group in groups {
        writeln!(f, "\n[[optimizer.groups]]")?;
        writeln!(f, "pattern = {}", Value::String(group.pattern.clone()))?;
        writeln!(f, "learning_rate_factor = {:?}", group.learning_rate_factor)?;
        if let Some(decay) = group.weight_decay {
            writeln!(f, "weight_decay = {decay:?}")?;
        }
        writeln!(f, "frozen = {}", group.frozen)?;
    }
    Ok(())
}

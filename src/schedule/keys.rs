//! Reading a schedule's keys, and what their values may be.

use super::{Ramp, Unit};
use crate::error::OptimError;

/// A table whose keys are all known, and who asks. Keys of a table within the schedule's are named with its own key:
/// `warmup.over`.
#[derive(Debug)]
pub struct Keys<'a> {
    owner: String,
    table: &'a toml::Table,
}

impl<'a> Keys<'a> {
    /// The keys of the schedule `name`.
    ///
    /// # Errors
    ///
    /// [`OptimError::Field`] if the table has a key that is neither `known` nor one that every schedule has.
    pub fn new(name: &str, table: &'a toml::Table, known: &[&'static str]) -> Result<Self, OptimError> {
        let known: Vec<_> = ["name"].iter().chain(known).chain(super::course::KEYS).copied().collect();
        Self::only(format!("schedule {name}"), "", table, known)
    }

    /// The keys of the table at `key` within a schedule's.
    ///
    /// # Errors
    ///
    /// [`OptimError::Field`] if it has another key than the `known` ones.
    pub fn within(key: &str, table: &'a toml::Table, known: &[&'static str]) -> Result<Self, OptimError> {
        Self::only(format!("schedule {key}"), &format!("{key}."), table, known.to_vec())
    }

    fn only(owner: String, path: &str, table: &'a toml::Table, known: Vec<&'static str>) -> Result<Self, OptimError> {
        match table.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(OptimError::Field { owner, found: format!("{path}{key}"), known }),
            None => Ok(Self { owner, table }),
        }
    }

    /// What stands there, if anything does.
    pub fn get(&self, field: &str) -> Option<&'a toml::Value> {
        self.table.get(last(field))
    }

    /// A number that must be there.
    ///
    /// # Errors
    ///
    /// [`OptimError::Missing`] or [`OptimError::Type`].
    pub fn number(&self, field: &'static str, expected: &'static str) -> Result<f64, OptimError> {
        self.number_opt(field)?.ok_or_else(|| self.missing(field, expected))
    }

    /// A number, or its default.
    ///
    /// # Errors
    ///
    /// [`OptimError::Type`]
    pub fn number_or(&self, field: &'static str, default: f64) -> Result<f64, OptimError> {
        Ok(self.number_opt(field)?.unwrap_or(default))
    }

    fn number_opt(&self, field: &'static str) -> Result<Option<f64>, OptimError> {
        match self.get(field) {
            None => Ok(None),
            Some(toml::Value::Float(x)) => Ok(Some(*x)),
            Some(toml::Value::Integer(x)) => Ok(Some(*x as f64)),
            Some(other) => Err(wrong_type(&self.owner, field, "a number", other)),
        }
    }

    /// A whole number that must be there.
    ///
    /// # Errors
    ///
    /// [`OptimError::Missing`], [`OptimError::Type`], or [`OptimError::Range`] if it is negative.
    pub fn count(&self, field: &'static str, expected: &'static str) -> Result<u64, OptimError> {
        self.count_opt(field)?.ok_or_else(|| self.missing(field, expected))
    }

    /// A whole number, or none.
    ///
    /// # Errors
    ///
    /// [`OptimError::Type`], or [`OptimError::Range`] if it is negative.
    pub fn count_opt(&self, field: &'static str) -> Result<Option<u64>, OptimError> {
        self.get(field).map(|value| self.whole(field, "at least 1", value)).transpose()
    }

    /// A whole number from 0 on, or its default.
    ///
    /// # Errors
    ///
    /// [`OptimError::Type`], or [`OptimError::Range`] if it is negative.
    pub fn count_or(&self, field: &'static str, default: u64) -> Result<u64, OptimError> {
        self.get(field).map_or(Ok(default), |value| self.whole(field, "at least 0", value))
    }

    /// A list of whole numbers that must be there.
    ///
    /// # Errors
    ///
    /// [`OptimError::Missing`], [`OptimError::Type`], or [`OptimError::Range`] if one is negative.
    pub fn counts(&self, field: &'static str, expected: &'static str) -> Result<Vec<u64>, OptimError> {
        match self.get(field) {
            Some(toml::Value::Array(list)) => list.iter().map(|v| self.whole(field, super::MILESTONES, v)).collect(),
            Some(other) => Err(wrong_type(&self.owner, field, "a list of whole numbers", other)),
            None => Err(self.missing(field, expected)),
        }
    }

    fn whole(&self, field: &'static str, range: &'static str, value: &toml::Value) -> Result<u64, OptimError> {
        let toml::Value::Integer(x) = value else {
            return Err(wrong_type(&self.owner, field, "a whole number", value));
        };
        let outside = |_| OptimError::Range { owner: self.owner.clone(), field, range, found: *x as f64 };
        u64::try_from(*x).map_err(outside)
    }

    /// `true` or `false`, or the default.
    ///
    /// # Errors
    ///
    /// [`OptimError::Type`]
    pub fn flag_or(&self, field: &'static str, default: bool) -> Result<bool, OptimError> {
        match self.get(field) {
            None => Ok(default),
            Some(toml::Value::Boolean(flag)) => Ok(*flag),
            Some(other) => Err(wrong_type(&self.owner, field, "`true` or `false`", other)),
        }
    }

    /// One of some names with what it means; the first is the default.
    ///
    /// # Errors
    ///
    /// [`OptimError::Type`] with `expected` if it is none of them.
    pub fn one_of<T: Copy>(
        &self,
        field: &'static str,
        names: &[(&str, T)],
        expected: &'static str,
    ) -> Result<T, OptimError> {
        let Some(value) = self.get(field) else { return Ok(names[0].1) };
        let named = names.iter().find(|(name, _)| value.as_str() == Some(name));
        named.map(|&(_, meant)| meant).ok_or_else(|| wrong_type(&self.owner, field, expected, value))
    }

    /// A unit, or the default.
    ///
    /// # Errors
    ///
    /// [`OptimError::Type`] if it is neither `"epoch"` nor `"step"`.
    pub fn unit(&self, field: &'static str, default: Unit) -> Result<Unit, OptimError> {
        let other = if default == Unit::Epoch { Unit::Step } else { Unit::Epoch };
        self.one_of(field, &[default, other].map(|unit| (unit.name(), unit)), "\"epoch\" or \"step\"")
    }

    /// The form of a way from one number to another, or the default.
    ///
    /// # Errors
    ///
    /// [`OptimError::Type`] if it is neither `"linear"` nor `"cos"`.
    pub fn ramp(&self, field: &'static str, default: Ramp) -> Result<Ramp, OptimError> {
        let other = if default == Ramp::Linear { Ramp::Cos } else { Ramp::Linear };
        self.one_of(field, &[default, other].map(|ramp| (ramp.name(), ramp)), "\"linear\" or \"cos\"")
    }

    fn missing(&self, field: &'static str, expected: &'static str) -> OptimError {
        OptimError::Missing { owner: self.owner.clone(), field, expected }
    }
}

fn last(field: &str) -> &str {
    field.rsplit('.').next().unwrap_or(field)
}

pub(super) fn wrong_type(owner: &str, field: &str, expected: &'static str, found: &toml::Value) -> OptimError {
    OptimError::Type { owner: owner.into(), field: field.into(), expected, found: found.to_string() }
}

/// `inside`, or the range error.
pub(super) fn range(
    name: &str,
    field: &'static str,
    range: &'static str,
    found: f64,
    inside: bool,
) -> Result<(), OptimError> {
    if inside { Ok(()) } else { Err(OptimError::Range { owner: format!("schedule {name}"), field, range, found }) }
}

/// At least 1, where it is given.
pub(super) fn at_least_1(name: &str, field: &'static str, count: Option<u64>) -> Result<(), OptimError> {
    count.map_or(Ok(()), |n| range(name, field, "at least 1", n as f64, n >= 1))
}

/// A count as TOML holds it.
pub(super) fn written(count: u64) -> toml::Value {
    i64::try_from(count).unwrap_or(i64::MAX).into()
}

/// A table of the keys that have a value.
pub(super) fn table<const N: usize>(fields: [(&str, Option<toml::Value>); N]) -> toml::Table {
    fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

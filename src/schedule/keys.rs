//! Reading a schedule's keys, and what their values may be.

use crate::error::OptimError;

/// What a schedule's t counts, from 0. Written `"epoch"` or `"step"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Whole epochs: the rate is constant within one.
    #[default]
    Epoch,
    /// Updates.
    Step,
}

impl Unit {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::Step => "step",
        }
    }

    /// t, of the step and epoch counted from 0.
    pub fn count(self, step: u64, epoch: u64) -> f64 {
        match self {
            Self::Epoch => epoch as f64,
            Self::Step => step as f64,
        }
    }
}

/// A table whose keys are all known, and who asks.
#[derive(Debug)]
pub struct Keys<'a> {
    owner: String,
    table: &'a toml::Table,
}

impl<'a> Keys<'a> {
    /// # Errors
    ///
    /// [`OptimError::Field`] if the table has another key than `name` and the `known` ones.
    pub fn new(name: &str, table: &'a toml::Table, known: &[&'static str]) -> Result<Self, OptimError> {
        let owner = format!("schedule {name}");
        match table.keys().find(|key| *key != "name" && !known.contains(&key.as_str())) {
            Some(found) => {
                let known = ["name"].iter().chain(known).copied().collect();
                Err(OptimError::Field { owner, found: found.clone(), known })
            }
            None => Ok(Self { owner, table }),
        }
    }

    /// A number that must be there.
    ///
    /// # Errors
    ///
    /// [`OptimError::Missing`] or [`OptimError::Type`].
    pub fn number(&self, field: &'static str, expected: &'static str) -> Result<f64, OptimError> {
        match self.table.get(field) {
            Some(toml::Value::Float(x)) => Ok(*x),
            Some(toml::Value::Integer(x)) => Ok(*x as f64),
            Some(other) => Err(wrong_type(&self.owner, field, "a number", other)),
            None => Err(OptimError::Missing { owner: self.owner.clone(), field, expected }),
        }
    }

    /// A count of at least 1 that must be there.
    ///
    /// # Errors
    ///
    /// [`OptimError::Missing`], [`OptimError::Type`], or [`OptimError::Range`] below 1.
    pub fn count(&self, field: &'static str, expected: &'static str) -> Result<u64, OptimError> {
        match self.table.get(field) {
            Some(toml::Value::Integer(x)) => u64::try_from(*x).map_err(|_| OptimError::Range {
                owner: self.owner.clone(),
                field,
                range: "at least 1",
                found: *x as f64,
            }),
            Some(other) => Err(wrong_type(&self.owner, field, "a whole number", other)),
            None => Err(OptimError::Missing { owner: self.owner.clone(), field, expected }),
        }
    }

    /// `unit`, by default epochs.
    ///
    /// # Errors
    ///
    /// [`OptimError::Type`] if it is neither `"epoch"` nor `"step"`.
    pub fn unit(&self) -> Result<Unit, OptimError> {
        match self.table.get("unit") {
            None => Ok(Unit::default()),
            Some(toml::Value::String(unit)) if unit == "epoch" => Ok(Unit::Epoch),
            Some(toml::Value::String(unit)) if unit == "step" => Ok(Unit::Step),
            Some(other) => Err(wrong_type(&self.owner, "unit", "\"epoch\" or \"step\"", other)),
        }
    }
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

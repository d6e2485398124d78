//! From a run's `[optimizer]` table to a rule and back.

use super::fields::{self, owner};
use super::{ALL, Convention, Optimizer, SECOND};
use crate::error::OptimError;

/// A rule's place in the registry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// As written in the TOML form.
    pub name: &'static str,
    /// The conventions in which it is defined.
    pub conventions: &'static [Convention],
    /// The rule with the defaults of one of them.
    pub defaults: fn(Convention) -> Optimizer,
}

impl Entry {
    /// The entry of that name.
    ///
    /// # Errors
    ///
    /// [`OptimError::Name`], which lists the names there are.
    pub fn find(name: &str) -> Result<&'static Self, OptimError> {
        let all = || ALL.iter().chain(SECOND);
        all().find(|entry| entry.name == name).ok_or_else(|| OptimError::Name {
            kind: "optimizer",
            found: name.into(),
            known: all().map(|entry| entry.name).collect(),
        })
    }

    /// The convention that is meant where none is named: PyTorch's, and the last of a rule that PyTorch does not have.
    pub fn usual(&self) -> Convention {
        let usual = Convention::default();
        if self.conventions.contains(&usual) { usual } else { self.conventions.last().copied().unwrap_or(usual) }
    }

    /// The convention of that name, if the rule is defined in it.
    ///
    /// # Errors
    ///
    /// [`OptimError::Convention`], which lists those the rule has.
    pub fn convention(&self, name: &str) -> Result<Convention, OptimError> {
        self.conventions.iter().copied().find(|c| c.name() == name).ok_or_else(|| OptimError::Convention {
            owner: self.name.into(),
            found: name.into(),
            known: self.conventions.iter().map(|c| c.name()).collect(),
        })
    }
}

impl Optimizer {
    /// The rule that a table names, validated.
    ///
    /// # Errors
    ///
    /// [`OptimError`]: no `name`, an unknown name, convention or field, a field of the wrong type or out of its range.
    ///
    /// # Examples
    ///
    /// ```
    /// use thalweg::error::OptimError;
    /// use thalweg::optim::Optimizer;
    ///
    /// let table = "name = 'adamw'\nconvention = 'cs231n'".parse()?;
    /// let Err(OptimError::Convention { known, .. }) = Optimizer::from_table(&table) else { panic!() };
    /// assert_eq!(known, ["paper", "keras", "optax", "pytorch"]);
    /// # Ok::<(), toml::de::Error>(())
    /// ```
    pub fn from_table(table: &toml::Table) -> Result<Self, OptimError> {
        let text = |key: &str| match table.get(key) {
            None => Ok(None),
            Some(toml::Value::String(text)) => Ok(Some(text.as_str())),
            Some(other) => Err(OptimError::Type {
                owner: "optimizer".into(),
                field: key.into(),
                expected: "a string",
                found: other.to_string(),
            }),
        };
        let name = text("name")?.ok_or(OptimError::Missing {
            owner: "optimizer".into(),
            field: "name",
            expected: "the rule, for example \"adam\"",
        })?;
        let entry = Entry::find(name)?;
        let convention = entry.convention(text("convention")?.unwrap_or(entry.usual().name()))?;
        let mut optimizer = (entry.defaults)(convention);
        let owner = owner(entry.name, convention);
        for (key, value) in table.iter().filter(|(key, _)| !["name", "convention"].contains(&key.as_str())) {
            let mut fields = optimizer.fields();
            match fields.iter_mut().find(|field| field.name == key) {
                Some(field) => field.set(&owner, value)?,
                None => {
                    let known = fields.iter().map(|field| field.name).collect();
                    return Err(OptimError::Field { owner, found: key.clone(), known });
                }
            }
        }
        optimizer.rule().validate()?;
        Ok(optimizer)
    }

    /// The table that [`from_table`](Self::from_table) reads back to the same rule, every field written out.
    pub fn to_table(&self) -> toml::Table {
        let (name, convention) = (self.rule().name(), self.rule().convention());
        let head = [("name", name), ("convention", convention.name())];
        let head = head.map(|(key, value)| (key.to_owned(), toml::Value::String(value.into())));
        let mut copy = self.clone();
        let rest = copy.fields().into_iter().map(|field| (field.name.to_owned(), field.get())).collect::<Vec<_>>();
        head.into_iter().chain(rest).collect()
    }
}

impl TryFrom<toml::Table> for Optimizer {
    type Error = OptimError;

    fn try_from(table: toml::Table) -> Result<Self, OptimError> {
        Self::from_table(&table)
    }
}

impl From<Optimizer> for toml::Table {
    fn from(optimizer: Optimizer) -> Self {
        optimizer.to_table()
    }
}

impl Default for Optimizer {
    /// Adam, as in PyTorch.
    fn default() -> Self {
        Self::Adam(<super::Adam as fields::Configurable>::defaults(Convention::PyTorch))
    }
}

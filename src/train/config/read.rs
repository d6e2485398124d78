//! A table of the TOML form, read by key: whatever is wrong names the key's full path.

use toml::{Table, Value};

use crate::error::{ConfigError, OptimError};

/// One table and where it stands.
pub(super) struct Section<'a> {
    path: String,
    table: &'a Table,
}

static EMPTY: std::sync::LazyLock<Table> = std::sync::LazyLock::new(Table::new);

impl<'a> Section<'a> {
    /// The whole file, whose keys are sections.
    pub(super) fn root(table: &'a Table, known: &[&str]) -> Result<Self, ConfigError> {
        let root = Self { path: String::new(), table };
        root.only("a run", known)?;
        Ok(root)
    }

    /// A table that says nothing, at `path`.
    pub(super) fn empty(path: &str) -> Section<'static> {
        Section { path: path.into(), table: &EMPTY }
    }

    /// The table of `value`, which stands at `path`.
    pub(super) fn at(path: String, value: &'a Value) -> Result<Self, ConfigError> {
        match value {
            Value::Table(table) => Ok(Self { path, table }),
            other => Err(wrong_type(path, "a table", other)),
        }
    }

    /// A section of the file; empty where it was left out.
    pub(super) fn section(&self, name: &str, known: &[&str]) -> Result<Section<'a>, ConfigError> {
        let section = self.open(name)?;
        section.only(&format!("[{name}]"), known)?;
        Ok(section)
    }

    /// A section whose keys another room knows.
    pub(super) fn open(&self, name: &str) -> Result<Section<'a>, ConfigError> {
        match self.table.get(name) {
            Some(value) => Self::at(self.key(name), value),
            None => Ok(Section { path: self.key(name), table: &EMPTY }),
        }
    }

    /// Refuses keys that are not among `known`.
    pub(super) fn only(&self, parent: &str, known: &[&str]) -> Result<(), ConfigError> {
        match self.table.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => {
                Err(ConfigError::UnknownKey { key: self.key(key), parent: parent.into(), known: owned(known) })
            }
            None => Ok(()),
        }
    }

    /// A key's full path.
    pub(super) fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }

    /// The table itself.
    pub(super) fn table(&self) -> &'a Table {
        self.table
    }

    /// A value of any type.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.table.get(name)
    }

    /// A string.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, ConfigError> {
        self.typed(name, "a string", Value::as_str)
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ConfigError> {
        self.typed(name, "true or false", Value::as_bool)
    }

    /// A number; whole ones are numbers too.
    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, ConfigError> {
        self.typed(name, "a number", |v| v.as_float().or_else(|| v.as_integer().map(|n| n as f64)))
    }

    /// A whole number from `least` on.
    pub(super) fn count(&self, name: &str, least: usize) -> Result<Option<usize>, ConfigError> {
        self.get(name).map(|value| count(self.key(name), value, least)).transpose()
    }

    /// Two whole numbers, or one that counts for both.
    pub(super) fn pair(&self, name: &str) -> Result<Option<[usize; 2]>, ConfigError> {
        let (Some(value), key) = (self.get(name), self.key(name)) else { return Ok(None) };
        match value {
            Value::Integer(_) => count(key, value, 0).map(|n| Some([n; 2])),
            Value::Array(list) => match list.as_slice() {
                [a, b] => Ok(Some([count(format!("{key}[0]"), a, 0)?, count(format!("{key}[1]"), b, 0)?])),
                _ => Err(ConfigError::Type {
                    key,
                    expected: "a whole number or a list of two",
                    found: format!("a list of {}", list.len()),
                }),
            },
            other => Err(wrong_type(key, "a whole number or a list of two", other)),
        }
    }

    /// A list.
    pub(super) fn list(&self, name: &str) -> Result<Option<&'a Vec<Value>>, ConfigError> {
        self.typed(name, "a list", Value::as_array)
    }

    /// Refuses a number outside `range`.
    pub(super) fn within(&self, name: &str, range: &str, x: f64, holds: bool) -> Result<f64, ConfigError> {
        if holds {
            return Ok(x);
        }
        Err(ConfigError::Range { key: self.key(name), range: range.into(), found: crate::error::number(x) })
    }

    /// Puts the path before an error of an optimizer or a schedule.
    pub(super) fn located(&self, kind: &'static str, error: OptimError) -> ConfigError {
        let known = |names: Vec<&'static str>| owned(&names);
        match error {
            OptimError::Range { field, range, found, .. } => {
                ConfigError::Range { key: self.key(field), range: range.into(), found: crate::error::number(found) }
            }
            OptimError::Rate { rate, floats, .. } => {
                let range = format!("a curve whose rates are positive normal numbers of {floats}");
                ConfigError::Range { key: self.key("name"), range, found: format!("{rate:e}") }
            }
            OptimError::TooLarge { parameters, limit, .. } => ConfigError::Range {
                key: self.key("max_parameters"),
                range: format!("at least the model's {parameters}"),
                found: limit.to_string(),
            },
            OptimError::Momentum { owner, why, .. } => ConfigError::Range {
                key: self.key("momentum"),
                range: "left out".into(),
                found: format!("it: {owner} {why}"),
            },
            OptimError::Clash { fields: [field, other], why, .. } => {
                let range = format!("left out where there is `{}` ({why})", self.key(other));
                ConfigError::Range { key: self.key(field), range, found: "both".into() }
            }
            OptimError::Type { field, expected, found, .. } => {
                ConfigError::Type { key: self.key(&field), expected, found }
            }
            OptimError::Field { owner, found, known: names } => {
                let mut known = known(names);
                if !found.contains('.') && !known.iter().any(|key| key == "name") {
                    known.insert(0, "name".into());
                }
                ConfigError::UnknownKey { key: self.key(&found), parent: owner, known }
            }
            OptimError::Vanishes { state, storage, .. } => {
                let range = format!("\"f32\" or \"bf16\" for a rule that divides by `{state}`");
                ConfigError::Range { key: self.key("state"), range, found: storage.into() }
            }
            OptimError::Missing { field, expected, .. } => {
                ConfigError::Missing { key: self.key(field), expected: expected.into() }
            }
            OptimError::Name { found, known: names, .. } => unknown(self.key("name"), kind, &found, known(names)),
            OptimError::Convention { found, known: names, .. } => {
                unknown(self.key("convention"), "convention", &found, known(names))
            }
        }
    }

    fn typed<T>(
        &self,
        name: &str,
        expected: &'static str,
        pick: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        pick(value).map(Some).ok_or_else(|| wrong_type(self.key(name), expected, value))
    }
}

/// The whole number from `least` on that stands at `key`.
pub(super) fn count(key: String, value: &Value, least: usize) -> Result<usize, ConfigError> {
    let Some(n) = value.as_integer() else { return Err(wrong_type(key, "a whole number", value)) };
    match usize::try_from(n) {
        Ok(n) if n >= least => Ok(n),
        _ => Err(ConfigError::Range { key, range: format!("at least {least}"), found: n.to_string() }),
    }
}

/// A value of another type than the key takes.
pub(super) fn wrong_type(key: String, expected: &'static str, value: &Value) -> ConfigError {
    ConfigError::Type { key, expected, found: describe(value) }
}

/// A value's type, and itself where it is short.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::String(text) => format!("the string {text:?}"),
        Value::Integer(n) => format!("the whole number {n}"),
        Value::Float(x) => format!("the number {}", crate::error::number(*x)),
        Value::Boolean(b) => b.to_string(),
        Value::Datetime(d) => format!("the date {d}"),
        Value::Array(_) => "a list".into(),
        Value::Table(_) => "a table".into(),
    }
}

/// A name that is not known.
pub(super) fn unknown(key: String, kind: &'static str, found: &str, known: Vec<String>) -> ConfigError {
    ConfigError::UnknownName { key, kind, found: found.into(), known }
}

/// Names as an error holds them.
pub(super) fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.into()).collect()
}

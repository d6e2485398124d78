//! The room `schedule`: the learning rate as a pure function of the step. No state to save, to resume or to step twice.
//!
//! To add one, write its file and one name in `schedules!`; the suite reads [`ALL`].
//!
//! | schedule | η of t, base rate α₀ |
//! |---|---|
//! | [`Constant`] | `α₀` |
//! | [`Step`] | `α₀ · factor^⌊epoch/every⌋` |
//! | [`Exponential`] | `α₀ · e^(−rate·t)` |
//! | [`Inverse`] | `α₀ / (1 + rate·t)` |
//!
//! t counts whole epochs or steps ([`Unit`]) from 0, so the first of them has the base rate.
//!
//! # Examples
//!
//! ```
//! use thalweg::schedule::Schedule;
//!
//! let halve: Schedule = toml::from_str("name = 'step'\nevery = 5\nfactor = 0.5")?;
//! let rates: Vec<f64> = [0, 4, 5, 9, 10].iter().map(|&epoch| halve.rate(0.8, 100 * epoch, epoch)).collect();
//! assert_eq!(rates, [0.8, 0.8, 0.4, 0.4, 0.2]);
//! # Ok::<(), toml::de::Error>(())
//! ```

mod keys;

pub use keys::{Keys, Unit};

use std::fmt::Debug;

use crate::error::OptimError;

/// A learning rate over time.
pub trait Curve: Debug + Send + Sync + 'static {
    /// As written in the TOML form.
    fn name(&self) -> &'static str;

    /// # Errors
    ///
    /// [`OptimError::Range`] if a field lies outside its documented range.
    fn validate(&self) -> Result<(), OptimError>;

    /// The learning rate of step `step = 0, 1, …` of the run, in epoch `epoch = 0, 1, …`, where the optimizer's base rate
    /// is `base`.
    fn rate(&self, base: f64, step: u64, epoch: u64) -> f64;
}

/// A schedule's place in the registry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// As written in the TOML form.
    pub name: &'static str,
    /// The keys of the TOML form beside `name`.
    pub keys: &'static [&'static str],
    /// From the TOML form, `name` not looked at.
    pub read: fn(&toml::Table) -> Result<Schedule, OptimError>,
}

impl Entry {
    /// The entry of that name.
    ///
    /// # Errors
    ///
    /// [`OptimError::Name`], which lists the names there are.
    pub fn find(name: &str) -> Result<&'static Self, OptimError> {
        ALL.iter().find(|entry| entry.name == name).ok_or_else(|| OptimError::Name {
            kind: "schedule",
            found: name.into(),
            known: ALL.iter().map(|entry| entry.name).collect(),
        })
    }
}

macro_rules! schedules {
    ($($module:ident :: $kind:ident),* $(,)?) => {
        $(mod $module; pub use $module::$kind;)*

        /// Every schedule: what the suite and the docs go through.
        pub const ALL: &[Entry] = &[$(Entry {
            name: stringify!($module),
            keys: $kind::KEYS,
            read: |table| Ok(Schedule::$kind($kind::read(&Keys::new(stringify!($module), table, $kind::KEYS)?)?)),
        }),*];

        /// One of the library's schedules: the `[schedule]` table of a run. Reads `name` and the schedule's own keys.
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "toml::Table", into = "toml::Table")]
        #[non_exhaustive]
        pub enum Schedule {
            $(#[doc = concat!("[`", stringify!($kind), "`]")] $kind($kind)),*
        }

        impl Schedule {
            /// The function.
            pub fn curve(&self) -> &dyn Curve {
                match self { $(Self::$kind(curve) => curve),* }
            }

            /// The table that [`from_table`](Self::from_table) reads back to the same schedule.
            pub fn to_table(&self) -> toml::Table {
                let mut table = match self { $(Self::$kind(curve) => curve.write()),* };
                table.insert("name".into(), self.curve().name().into());
                table
            }
        }

        $(impl From<$kind> for Schedule {
            fn from(curve: $kind) -> Self { Self::$kind(curve) }
        })*
    };
}

schedules!(constant::Constant, step::Step, exponential::Exponential, inverse::Inverse);

impl Schedule {
    /// The schedule that a table names, validated.
    ///
    /// # Errors
    ///
    /// [`OptimError`]: no `name`, an unknown name or key, a key missing, of the wrong type or out of its range.
    pub fn from_table(table: &toml::Table) -> Result<Self, OptimError> {
        let name = match table.get("name") {
            Some(toml::Value::String(name)) => name,
            Some(other) => return Err(keys::wrong_type("schedule", "name", "a string", other)),
            None => {
                let (owner, expected) = ("schedule".into(), "the curve, for example \"step\"");
                return Err(OptimError::Missing { owner, field: "name", expected });
            }
        };
        let schedule = (Entry::find(name)?.read)(table)?;
        schedule.validate()?;
        Ok(schedule)
    }

    /// # Errors
    ///
    /// As [`Curve::validate`].
    pub fn validate(&self) -> Result<(), OptimError> {
        self.curve().validate()
    }

    /// The learning rate of step `step`, in epoch `epoch`, both counted from 0.
    pub fn rate(&self, base: f64, step: u64, epoch: u64) -> f64 {
        self.curve().rate(base, step, epoch)
    }
}

impl Default for Schedule {
    /// [`Constant`]
    fn default() -> Self {
        Self::Constant(Constant)
    }
}

impl TryFrom<toml::Table> for Schedule {
    type Error = OptimError;

    fn try_from(table: toml::Table) -> Result<Self, OptimError> {
        Self::from_table(&table)
    }
}

impl From<Schedule> for toml::Table {
    fn from(schedule: Schedule) -> Self {
        schedule.to_table()
    }
}

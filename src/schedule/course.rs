//! A curve with what may stand before and beside it: the `[schedule]` table.

use super::keys::wrong_type;
use super::{Anneal, Constant, Curve, Entry, Kind, Moment, Plateau, Warmup};
use crate::error::OptimError;

/// The keys that every schedule has beside its own.
pub(super) const KEYS: &[&str] = &[Warmup::KEY, Anneal::KEY];

/// The learning rate's course, and the momentum's: the `[schedule]` table of a run. Reads `name`, the curve's own keys,
/// `warmup` and `momentum`. A curve alone becomes one by `into()`.
///
/// # Examples
///
/// ```
/// use thalweg::schedule::{Cosine, Moment, Schedule, Step};
///
/// let warm: Schedule = toml::from_str("name = 'cosine'\nwarmup = 5")?;
/// assert_eq!(warm.kind, Cosine::default().into());
/// let alone: Schedule = Step { every: 5, factor: 0.5 }.into();
/// assert_eq!(alone.rate(1.0, &Moment::new(500, 100, 8)), 0.5);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "toml::Table", into = "toml::Table")]
pub struct Schedule {
    /// The curve of the rate. Default [`Constant`].
    pub kind: Kind,
    /// What comes before it. Default nothing.
    pub warmup: Option<Warmup>,
    /// The momentum's own course. Default none: the optimizer's stays as it is.
    pub momentum: Option<Anneal>,
}

impl Schedule {
    /// The schedule that a table names, validated.
    ///
    /// # Errors
    ///
    /// [`OptimError`]: no `name`, an unknown name or key, a key missing, of the wrong type or out of its range, two keys
    /// that exclude each other.
    pub fn from_table(table: &toml::Table) -> Result<Self, OptimError> {
        let name = match table.get("name") {
            Some(toml::Value::String(name)) => name,
            Some(other) => return Err(wrong_type("schedule", "name", "a string", other)),
            None => {
                let (owner, expected) = ("schedule".into(), "the curve, for example \"step\"");
                return Err(OptimError::Missing { owner, field: "name", expected });
            }
        };
        let kind = (Entry::find(name)?.read)(table)?;
        let warmup = table.get(Warmup::KEY).map(Warmup::read).transpose()?;
        let momentum = table.get(Anneal::KEY).map(Anneal::read).transpose()?;
        let schedule = Self { kind, warmup, momentum };
        schedule.validate()?;
        Ok(schedule)
    }

    /// The table that [`from_table`](Self::from_table) reads back to the same schedule.
    pub fn to_table(&self) -> toml::Table {
        let mut table = self.kind.to_table();
        if let Some(warmup) = &self.warmup {
            table.insert(Warmup::KEY.into(), warmup.write().into());
        }
        if let Some(momentum) = &self.momentum {
            table.insert(Anneal::KEY.into(), momentum.write().into());
        }
        table
    }

    /// # Errors
    ///
    /// As [`Curve::validate`], of all three; [`OptimError::Clash`] if two of them want to set the momentum.
    pub fn validate(&self) -> Result<(), OptimError> {
        self.curve().validate()?;
        self.warmup.as_ref().map_or(Ok(()), Warmup::validate)?;
        self.momentum.as_ref().map_or(Ok(()), Anneal::validate)?;
        if self.momentum.is_some() && self.curve().momenta().is_some() {
            let owner = format!("schedule {}", self.curve().name());
            let why = "each sets the momentum of every step";
            return Err(OptimError::Clash { owner, fields: ["momentum", "cycle_momentum"], why });
        }
        Ok(())
    }

    /// The curve, which counts from the warm-up's end.
    pub fn curve(&self) -> &dyn Curve {
        self.kind.curve()
    }

    /// The learning rate there, where the optimizer's base rate is `base`.
    pub fn rate(&self, base: f64, at: &Moment) -> f64 {
        match &self.warmup {
            None => self.curve().rate(base, at),
            Some(warmup) => match warmup.behind(at) {
                None => warmup.rate(base, at),
                Some(at) => self.curve().rate(base, &at),
            },
        }
    }

    /// The momentum there; `None` where the optimizer's own stays.
    pub fn momentum(&self, at: &Moment) -> Option<f64> {
        let cycled = || self.curve().momentum(&self.behind(at).unwrap_or(Moment { step: 0, epoch: 0, ..*at }));
        self.momentum.as_ref().map(|anneal| anneal.value(at)).or_else(cycled)
    }

    /// Two values between which each [`momentum`](Self::momentum) lies, themselves included; `None` where it is not set.
    pub fn momenta(&self) -> Option<[f64; 2]> {
        self.momentum.as_ref().map(|anneal| [anneal.from, anneal.to]).or_else(|| self.curve().momenta())
    }

    /// Whether a rate of 0 is meant where it occurs, and not what became of one too small.
    pub fn reaches_zero(&self) -> bool {
        self.curve().reaches_zero() || self.warmup.is_some_and(|warmup| warmup.start == 0.0)
    }

    /// The plateau that the rate waits for, if the curve is one.
    pub fn plateau(&self) -> Option<&Plateau> {
        match &self.kind {
            Kind::Plateau(plateau) => Some(plateau),
            _ => None,
        }
    }

    /// The moment as the curve counts it; `None` during the warm-up.
    pub fn behind(&self, at: &Moment) -> Option<Moment> {
        self.warmup.as_ref().map_or(Some(*at), |warmup| warmup.behind(at))
    }
}

impl Default for Schedule {
    /// [`Constant`] alone.
    fn default() -> Self {
        Constant.into()
    }
}

impl<K: Into<Kind>> From<K> for Schedule {
    fn from(kind: K) -> Self {
        Self { kind: kind.into(), warmup: None, momentum: None }
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

//! The room `schedule`: the learning rate, and the momentum, as pure functions of the step. No state to save, to resume or
//! to step twice; what [`Plateau`] has to remember is a value of its own, [`Watch`].
//!
//! To add one, write its file and one name in `schedules!`; the suite reads [`ALL`].
//!
//! | schedule | η of t, base rate α₀ | PyTorch |
//! |---|---|---|
//! | [`Constant`] | `α₀` | |
//! | [`Step`] | `α₀ · factor^⌊epoch/every⌋` | `StepLR` |
//! | [`MultiStep`] | `α₀ · factor^#{m ≤ t}` | `MultiStepLR` |
//! | [`Exponential`] | `α₀ · e^(−rate·t)` | `ExponentialLR` |
//! | [`Inverse`] | `α₀ / (1 + rate·t)` | |
//! | [`Polynomial`] | `end + (α₀ − end)(1 − t/T)^power` | `PolynomialLR` |
//! | [`Cosine`] | `minimum + (α₀ − minimum)(1 + cos(π·t/T))/2` | `CosineAnnealingLR`, `…WarmRestarts` |
//! | [`OneCycle`] | from α₀/25 up to α₀, down to α₀/250,000 | `OneCycleLR` |
//! | [`Noam`] | `α₀ · d^(−1/2) · min(s^(−1/2), s·w^(−3/2))` | |
//! | [`Plateau`] | `α₀ · factor^cuts`, a cut when the validation loss stands still | `ReduceLROnPlateau` |
//! | any with [`Warmup`] | rises to α₀ first | `SequentialLR` with `LinearLR` |
//!
//! t counts whole epochs or steps ([`Unit`]) from 0, so the first of them has the base rate; T is the schedule's `over`, or
//! the whole run. A run that is resumed for more epochs is a longer run: give `over` where the curve is to stay. The momentum
//! has a course of its own ([`Anneal`]), or [`OneCycle`]'s.
//!
//! # Examples
//!
//! ```
//! use thalweg::schedule::{Moment, Schedule};
//!
//! let halve: Schedule = toml::from_str("name = 'step'\nevery = 5\nfactor = 0.5")?;
//! let rate = |epoch: u64| halve.rate(0.8, &Moment::new(100 * epoch, 100, 20));
//! assert_eq!([0, 4, 5, 9, 10].map(rate), [0.8, 0.8, 0.4, 0.4, 0.2]);
//! # Ok::<(), toml::de::Error>(())
//! ```

mod anneal;
mod course;
mod keys;
mod moment;
mod ramp;
mod warmup;

pub use anneal::Anneal;
pub use course::Schedule;
pub use keys::Keys;
pub use moment::{Moment, Unit};
pub use plateau::{Threshold, Watch};
pub use ramp::Ramp;
pub use warmup::Warmup;

use std::fmt::Debug;

use crate::error::OptimError;

/// What a list of milestones may hold.
const MILESTONES: &str = "rising whole numbers, the first at least 1";

/// A learning rate over time.
pub trait Curve: Debug + Send + Sync + 'static {
    /// As written in the TOML form.
    fn name(&self) -> &'static str;

    /// # Errors
    ///
    /// [`OptimError::Range`] if a field lies outside its documented range.
    fn validate(&self) -> Result<(), OptimError>;

    /// The learning rate of the update at that moment, where the optimizer's base rate is `base`. A moment behind the run's
    /// end is answered too.
    fn rate(&self, base: f64, at: &Moment) -> f64;

    /// The momentum of that update; `None`, as by default, where the curve leaves the optimizer's own.
    fn momentum(&self, _: &Moment) -> Option<f64> {
        None
    }

    /// Two values between which each [`momentum`](Self::momentum) lies, themselves included; `None` where there is none.
    fn momenta(&self) -> Option<[f64; 2]> {
        None
    }

    /// Whether the curve leads to a rate of 0 by its definition. By default not: a 0 is one too small for the floats then,
    /// and refused before anything runs.
    fn reaches_zero(&self) -> bool {
        false
    }
}

/// A schedule's place in the registry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// As written in the TOML form.
    pub name: &'static str,
    /// The keys of the TOML form beside `name`, `warmup` and `momentum`.
    pub keys: &'static [&'static str],
    /// From the TOML form, `name` not looked at.
    pub read: fn(&toml::Table) -> Result<Kind, OptimError>,
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
            read: |table| Ok(Kind::$kind($kind::read(&Keys::new(stringify!($module), table, $kind::KEYS)?)?)),
        }),*];

        /// One of the library's curves.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Kind {
            $(#[doc = concat!("[`", stringify!($kind), "`]")] $kind($kind)),*
        }

        impl Kind {
            /// The function.
            pub fn curve(&self) -> &dyn Curve {
                match self { $(Self::$kind(curve) => curve),* }
            }

            /// `name` and the curve's own keys, every field written out.
            pub fn to_table(&self) -> toml::Table {
                let mut table = match self { $(Self::$kind(curve) => curve.write()),* };
                table.insert("name".into(), self.curve().name().into());
                table
            }
        }

        $(impl From<$kind> for Kind {
            fn from(curve: $kind) -> Self { Self::$kind(curve) }
        })*
    };
}

schedules!(
    constant::Constant,
    step::Step,
    multi_step::MultiStep,
    exponential::Exponential,
    inverse::Inverse,
    polynomial::Polynomial,
    cosine::Cosine,
    one_cycle::OneCycle,
    noam::Noam,
    plateau::Plateau,
);

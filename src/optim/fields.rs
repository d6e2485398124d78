//! A rule's fields by name: one definition that the TOML form, the ranges, the command and the suite read.

use super::{Convention, Rule};
use crate::error::OptimError;

/// A place in a rule.
#[derive(Debug)]
pub enum FieldValue<'a> {
    /// A number.
    Number(&'a mut f64),
    /// On or off.
    Flag(&'a mut bool),
    /// How many.
    Count(&'a mut usize),
}

/// One of a rule's fields.
#[derive(Debug)]
pub struct Field<'a> {
    /// As written in the TOML form.
    pub name: &'static str,
    /// Where it is.
    pub value: FieldValue<'a>,
    /// The conventions that have it; `None` if all have.
    pub only: Option<&'static [Convention]>,
}

impl<'a> Field<'a> {
    /// A number that every convention of the rule has.
    pub fn number(name: &'static str, place: &'a mut f64) -> Self {
        Self { name, value: FieldValue::Number(place), only: None }
    }

    /// A flag that every convention of the rule has.
    pub fn flag(name: &'static str, place: &'a mut bool) -> Self {
        Self { name, value: FieldValue::Flag(place), only: None }
    }

    /// A whole number that every convention of the rule has.
    pub fn count(name: &'static str, place: &'a mut usize) -> Self {
        Self { name, value: FieldValue::Count(place), only: None }
    }

    /// Which only `conventions` have.
    pub fn only(self, conventions: &'static [Convention]) -> Self {
        Self { only: Some(conventions), ..self }
    }

    /// # Errors
    ///
    /// [`OptimError::Type`] if `value` is not of the field's type.
    pub fn set(&mut self, owner: &str, value: &toml::Value) -> Result<(), OptimError> {
        let expected = match (&mut self.value, value) {
            (FieldValue::Number(place), toml::Value::Float(x)) => {
                **place = *x;
                return Ok(());
            }
            (FieldValue::Number(place), toml::Value::Integer(x)) => {
                **place = *x as f64;
                return Ok(());
            }
            (FieldValue::Flag(place), toml::Value::Boolean(x)) => {
                **place = *x;
                return Ok(());
            }
            (FieldValue::Count(place), toml::Value::Integer(x)) if *x >= 0 => {
                **place = usize::try_from(*x).unwrap_or(usize::MAX);
                return Ok(());
            }
            (FieldValue::Count(_), _) => "a whole number that is not negative",
            (FieldValue::Number(_), _) => "a number",
            (FieldValue::Flag(_), _) => "`true` or `false`",
        };
        Err(OptimError::Type { owner: owner.into(), field: self.name.into(), expected, found: value.to_string() })
    }

    /// What [`set`](Self::set) would take.
    pub fn get(&self) -> toml::Value {
        match &self.value {
            FieldValue::Number(x) => toml::Value::Float(**x),
            FieldValue::Flag(x) => toml::Value::Boolean(**x),
            FieldValue::Count(x) => toml::Value::Integer(i64::try_from(**x).unwrap_or(i64::MAX)),
        }
    }

    /// The interval that f32 asks for besides: on a device it is rounded to that.
    fn range_f32(&self) -> (&'static str, f64, bool) {
        let FieldValue::Number(x) = &self.value else { return self.range() };
        let (x, narrow) = (**x, **x as f32);
        let (range, inside) = match self.name {
            "learning_rate" | "epsilon" => (POSITIVE_F32, positive_f32(x)),
            "adam_epsilon" | "epsilon_scale" | "clip_threshold" | "adam_lr_ratio" => (POSITIVE_F32, positive_f32(x)),
            "ns_steps" => (NS_STEPS, ns_steps(x)),
            "decay_rate" | "min_dim_size_to_factor" => ("at least 0 and finite", x >= 0.0 && x.is_finite()),
            // The host divides by it, in f64.
            "lr_decay" | "momentum_decay" | "tolerance_grad" | "tolerance_change" => {
                ("at least 0 and finite", x >= 0.0 && x.is_finite())
            }
            "weight_decay"
            | "initial_accumulator_value"
            | "initial_scale"
            | "epsilon_root"
            | "adam_weight_decay"
            | "rms_rate" => ("at least 0 and finite in f32, at most 3.4e38", x >= 0.0 && narrow.is_finite()),
            _ => ("in [0, 1), and below 1 in f32 too", (0.0..1.0).contains(&narrow)),
        };
        (range, x, inside)
    }

    /// The documented interval and whether the number lies in it; each name means the same in every rule.
    fn range(&self) -> (&'static str, f64, bool) {
        let x = match &self.value {
            FieldValue::Number(x) => **x,
            FieldValue::Flag(_) => return ("on or off", 0.0, true),
            FieldValue::Count(n) if self.name == "max_eval" => return ("a whole number", **n as f64, true),
            FieldValue::Count(n) => return ("at least 1", **n as f64, **n >= 1),
        };
        let (range, inside) = match self.name {
            "learning_rate" | "epsilon" => ("positive and finite", x > 0.0 && x.is_finite()),
            "adam_epsilon" | "epsilon_scale" | "clip_threshold" | "adam_lr_ratio" => {
                ("positive and finite", x > 0.0 && x.is_finite())
            }
            "ns_steps" => (NS_STEPS, ns_steps(x)),
            "weight_decay"
            | "lr_decay"
            | "tolerance_grad"
            | "tolerance_change"
            | "initial_accumulator_value"
            | "initial_scale"
            | "momentum_decay"
            | "epsilon_root"
            | "adam_weight_decay"
            | "rms_rate"
            | "decay_rate"
            | "min_dim_size_to_factor" => ("at least 0 and finite", x >= 0.0 && x.is_finite()),
            _ => ("in [0, 1)", (0.0..1.0).contains(&x)),
        };
        (range, x, inside)
    }
}

const NS_STEPS: &str = "a whole number from 1 to 99";

fn ns_steps(x: f64) -> bool {
    x.fract() == 0.0 && (1.0..=99.0).contains(&x)
}

pub(super) const POSITIVE_F32: &str = "a positive normal number of f32, 1.2e-38 to 3.4e38";

/// Whether `x` is a positive number that f32 holds to its full precision: neither 0 nor infinite, and none that a GPU may
/// flush to 0.
pub(super) fn positive_f32(x: f64) -> bool {
    x > 0.0 && (x as f32).is_normal()
}

/// A rule that can be made from its name, its convention and its fields.
pub trait Configurable: Rule {
    /// As written in the TOML form.
    const NAME: &'static str;
    /// The conventions in which it is defined, the usual one last.
    const CONVENTIONS: &'static [Convention];

    /// The defaults of one of [`CONVENTIONS`](Self::CONVENTIONS).
    fn defaults(convention: Convention) -> Self;

    /// Its fields, those of other conventions included.
    fn fields(&mut self) -> Vec<Field<'_>>;
}

/// `adam (pytorch)`: how messages call a rule.
pub(super) fn owner(name: &str, convention: Convention) -> String {
    format!("{name} ({convention})")
}

/// The fields that the rule's convention has.
pub(super) fn visible<R: Configurable>(rule: &mut R) -> Vec<Field<'_>> {
    let convention = rule.convention();
    let mut fields = rule.fields();
    fields.retain(|field| field.only.is_none_or(|only| only.contains(&convention)));
    fields
}

/// [`Rule::validate`] of every rule here: the convention, the ranges, and no field of another convention in use.
pub(super) fn validate<R: Configurable>(rule: &R) -> Result<(), OptimError> {
    let convention = rule.convention();
    if !R::CONVENTIONS.contains(&convention) {
        let known = R::CONVENTIONS.iter().map(|c| c.name()).collect();
        return Err(OptimError::Convention { owner: R::NAME.into(), found: convention.to_string(), known });
    }
    let (mut rule, mut defaults) = (rule.clone(), R::defaults(convention));
    let known: Vec<_> = visible(&mut rule).iter().map(|field| field.name).collect();
    for (field, default) in rule.fields().into_iter().zip(defaults.fields()) {
        let owner = owner(R::NAME, convention);
        if !known.contains(&field.name) {
            if field.get() == default.get() {
                continue;
            }
            return Err(OptimError::Field { owner, found: field.name.into(), known });
        }
        let (range, found, inside) = field.range();
        if !inside {
            return Err(OptimError::Range { owner, field: field.name, range, found });
        }
    }
    Ok(())
}

/// [`Rule::with`] of every rule here.
pub(super) fn with<R: Configurable>(rule: &R, name: &str, value: f64) -> Result<R, OptimError> {
    let mut changed = rule.clone();
    let owner = owner(R::NAME, rule.convention());
    let mut fields = visible(&mut changed);
    match fields.iter_mut().find(|field| field.name == name) {
        Some(field) => field.set(&owner, &toml::Value::Float(value))?,
        None => {
            let known = fields.iter().map(|field| field.name).collect();
            return Err(OptimError::Field { owner, found: name.into(), known });
        }
    }
    drop(fields);
    changed.validate()?;
    Ok(changed)
}

/// [`Rule::validate_f32`] of every rule here.
pub(super) fn validate_f32<R: Configurable>(rule: &R) -> Result<(), OptimError> {
    validate(rule)?;
    let owner = owner(R::NAME, rule.convention());
    for field in visible(&mut rule.clone()) {
        let (range, found, inside) = field.range_f32();
        if !inside {
            return Err(OptimError::Range { owner, field: field.name, range, found });
        }
    }
    Ok(())
}

/// What every rule with a `convention` and a `learning_rate` says of itself in the same words, within its `impl Rule`.
macro_rules! configured {
    () => {
        fn name(&self) -> &'static str {
            <Self as $crate::optim::Configurable>::NAME
        }

        fn convention(&self) -> $crate::optim::Convention {
            self.convention
        }

        fn validate(&self) -> Result<(), $crate::error::OptimError> {
            $crate::optim::fields::validate(self)
        }

        fn validate_f32(&self) -> Result<(), $crate::error::OptimError> {
            $crate::optim::fields::validate_f32(self)
        }

        fn with(&self, field: &str, value: f64) -> Result<Self, $crate::error::OptimError> {
            $crate::optim::fields::with(self, field, value)
        }

        fn learning_rate(&self) -> f64 {
            self.learning_rate
        }
    };
}
pub(super) use configured;

//! Errors of the rooms `optim` and `schedule`.

/// Why an update rule or a schedule was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptimError {
    /// A number lies outside its documented range.
    #[error("{owner}: `{field}` must be {range}, found {}", super::number(*found))]
    Range {
        /// The rule with its convention, or the schedule.
        owner: String,
        /// The field.
        field: &'static str,
        /// The documented range.
        range: &'static str,
        /// The value.
        found: f64,
    },
    /// A schedule leads to a learning rate that the device does not hold.
    #[error(
        "schedule {schedule}: the learning rate of step {step}, in epoch {epoch}, would be {rate:e}, which is no positive normal \
         number of {floats}. Change the schedule's numbers, or train for fewer epochs"
    )]
    Rate {
        /// The schedule.
        schedule: &'static str,
        /// The step, from 1.
        step: u64,
        /// Its epoch, from 1.
        epoch: u64,
        /// The learning rate there.
        rate: f64,
        /// The device's floats, `"f32"` or `"f64"`.
        floats: &'static str,
    },
    /// More parameters than a second-order optimizer takes.
    #[error(
        "{owner}: the model has {parameters} parameters, whose Hessian and its factor would take {bytes} bytes; \
         `max_parameters` is {limit}. Make the model smaller, raise `max_parameters`, or use `lbfgs`"
    )]
    TooLarge {
        /// The optimizer.
        owner: String,
        /// Parameters of the model.
        parameters: usize,
        /// The limit.
        limit: usize,
        /// Bytes that they would take.
        bytes: u128,
    },
    /// Two keys that exclude each other.
    #[error("{owner}: `{}` and `{}` cannot both be given: {why}. Leave one of them out", fields[0], fields[1])]
    Clash {
        /// The schedule.
        owner: String,
        /// The keys.
        fields: [&'static str; 2],
        /// Why.
        why: &'static str,
    },
    /// The schedule sets a momentum that the rule does not have, or not as it stands.
    #[error("schedule {schedule} sets the momentum of every step, but {owner} {why}")]
    Momentum {
        /// The schedule.
        schedule: &'static str,
        /// The rule with its convention.
        owner: String,
        /// What is wrong, and what to do.
        why: &'static str,
    },
    /// A state that the rule divides by, in a type that does not hold it.
    #[error(
        "{owner} divides by its state `{state}`, which `state = \"{storage}\"` makes 0 below 6e-8, where gradients of 1e-4 have their \
         squares. Use `state = \"bf16\"`, which takes as little and has the range of f32"
    )]
    Vanishes {
        /// The rule with its convention.
        owner: String,
        /// The state.
        state: &'static str,
        /// The type.
        storage: &'static str,
    },
    /// A field of another type than it was given.
    #[error("{owner}: `{field}` must be {expected}, found {found}")]
    Type {
        /// The rule with its convention, or the schedule.
        owner: String,
        /// The field.
        field: String,
        /// What it takes, in words.
        expected: &'static str,
        /// The value as written.
        found: String,
    },
    /// A field that the rule or schedule does not have.
    #[error("{owner} has no field `{found}`{}; it has {}", nearest(found, known), list(known))]
    Field {
        /// The rule with its convention, or the schedule.
        owner: String,
        /// The field as written.
        found: String,
        /// The fields there are.
        known: Vec<&'static str>,
    },
    /// A field without a default was left out.
    #[error("{owner} needs `{field}`: {expected}")]
    Missing {
        /// The rule or schedule.
        owner: String,
        /// The field.
        field: &'static str,
        /// What to write there.
        expected: &'static str,
    },
    /// No rule or schedule has that name.
    #[error("there is no {kind} named `{found}`{}; there are {}", nearest(found, known), list(known))]
    Name {
        /// `"optimizer"` or `"schedule"`.
        kind: &'static str,
        /// The name as written.
        found: String,
        /// The names there are.
        known: Vec<&'static str>,
    },
    /// The rule is not defined in that convention.
    #[error("{owner} has no convention `{found}`{}; it has {}", nearest(found, known), list(known))]
    Convention {
        /// The rule.
        owner: String,
        /// The convention as written.
        found: String,
        /// The conventions it has.
        known: Vec<&'static str>,
    },
}

fn list(known: &[&str]) -> String {
    known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// `(did you mean …?)`, if one of the known names is near.
fn nearest(found: &str, known: &[&'static str]) -> String {
    // Of `warmup.ovr`, the part that is looked for among `over`, `unit`, ….
    let found = found.rsplit('.').next().unwrap_or(found).to_lowercase();
    // Reversed, because of equals `max_by` takes the last and the first is wanted.
    let best =
        known.iter().rev().map(|&name| (strsim::jaro_winkler(&found, name), name)).max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((score, name)) if score >= 0.75 => format!(" (did you mean `{name}`?)"),
        _ => String::new(),
    }
}

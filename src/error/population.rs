//! Errors of populations and of parameter groups.

/// Why a population or the groups of its parameters were refused, or why a population cannot go on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PopulationError {
    /// A parameter group whose pattern is no tensor's name.
    #[error(
        "the parameter group `{pattern}` matches no tensor; the model has {}. `*` stands for any letters and dots, `?` for one of them",
        list(tensors)
    )]
    NoMatch {
        /// The pattern.
        pattern: String,
        /// The names there are.
        tensors: Vec<String>,
    },
    /// A parameter group all of whose tensors belong to groups before it.
    #[error(
        "the parameter group `{pattern}` is left without a tensor: the first pattern that matches decides, and {} stand before it \
         and take all of its. Put it before them, or leave it out",
        list(before)
    )]
    Shadowed {
        /// The pattern.
        pattern: String,
        /// Those that take its tensors.
        before: Vec<String>,
    },
    /// More groups than an engine tells apart.
    #[error("{found} parameter groups are too many: there may be {most}")]
    TooManyGroups {
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A number of a parameter group outside its range.
    #[error("the parameter group `{pattern}`: `{field}` must be {range}, found {}", super::number(*found))]
    GroupRange {
        /// The pattern.
        pattern: String,
        /// The field.
        field: &'static str,
        /// Its range.
        range: &'static str,
        /// The value.
        found: f64,
    },
    /// Groups that leave nothing to learn.
    #[error("every tensor of the model is frozen: a run would change nothing. Leave a tensor out of the frozen groups")]
    NothingToTrain,
    /// A member or a group whose numbers give the update rule other states than the others' have.
    #[error(
        "{who} would make {rule} keep the states {}, where the others have {}: one run has one set of states. Take numbers that \
         keep the same states (a momentum above 0 in all, or 0 in all), or train apart",
        list(found),
        list(expected)
    )]
    States {
        /// The member, or the group, in words.
        who: String,
        /// The rule.
        rule: &'static str,
        /// The states it would have.
        found: Vec<String>,
        /// Those of the others.
        expected: Vec<String>,
    },
    /// Members or parameter groups whose rule would take whole tensors by another graph.
    #[error(
        "{who} would make {rule} transform its tensors by another graph than the others, and one run has one. Give all the same \
         numbers of what the graph is made of (`ns_steps` and `rms_rate` of muon, `min_dim_size_to_factor` and \
         `multiply_by_parameter_scale` of adafactor), or train apart"
    )]
    Transform {
        /// The member, or the group, in words.
        who: String,
        /// The rule.
        rule: &'static str,
    },
    /// A number of a member that the model has no use for.
    #[error("member {member} sets `{name}`, which the model does not have; it has {}", list(known))]
    NoSetting {
        /// The member, from 0.
        member: usize,
        /// The setting, or `dropout`.
        name: String,
        /// The settings there are.
        known: Vec<String>,
    },
    /// A number of a member outside its range.
    #[error("member {member}: `{name}` must be {range}, found {}", super::number(*found))]
    Range {
        /// The member, from 0.
        member: usize,
        /// What it sets.
        name: String,
        /// The range.
        range: &'static str,
        /// The value.
        found: f64,
    },
    /// A folder that holds a population of another size, or none.
    #[error(
        "`{}` holds {}, this run has {}; a resumed run must be the same run. A member's own folder, member-0 and so on, can be \
         resumed as a run of one",
        folder.display(), members(*found), members(*expected)
    )]
    Size {
        /// The folder.
        folder: std::path::PathBuf,
        /// Members there.
        found: usize,
        /// Members of the run.
        expected: usize,
    },
    /// `population.json` that cannot be read.
    #[error("`{}` does not say where a population stands ({reason}); restore it, or resume a member's own folder", path.display())]
    BadNote {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No member is left that computes with numbers.
    #[error(
        "all {members} members of the population have diverged; the last was member {member} at step {step}: {reason}"
    )]
    AllDiverged {
        /// How many there are.
        members: usize,
        /// The last one, from 0.
        member: usize,
        /// Its step, from 1.
        step: u64,
        /// What a run of that member alone would have ended with.
        reason: String,
    },
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".into(),
        _ => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}

fn members(n: usize) -> String {
    if n == 1 { "a run of one model".into() } else { format!("a population of {n}") }
}

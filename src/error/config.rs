//! Errors of a run's TOML form.

use std::path::PathBuf;

use super::GraphError;

/// Why a run's TOML, or a `--set`, was refused. Keys are full paths: `model.layers[2].kernel`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is missing or cannot be read.
    #[error("cannot read the run file `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The text is not TOML.
    #[error("{file}:{line}:{column}: not valid TOML: {message}")]
    Syntax {
        /// The file, or `"the run's TOML"`.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What the parser expected.
        message: String,
    },
    /// A section or field that does not exist there.
    #[error("unknown key `{key}`{}; {parent} has {}", nearest(last(key), known), list(known))]
    UnknownKey {
        /// Its full path.
        key: String,
        /// What holds it: `"a run"`, `"[train]"`, `"a linear layer"`.
        parent: String,
        /// The keys there are.
        known: Vec<String>,
    },
    /// A value of the wrong type.
    #[error("`{key}` must be {expected}, found {found}")]
    Type {
        /// Its full path.
        key: String,
        /// What it takes, in words.
        expected: &'static str,
        /// The type and value found.
        found: String,
    },
    /// A value outside its documented range.
    #[error("`{key}` must be {range}, found {found}")]
    Range {
        /// Its full path.
        key: String,
        /// The documented range.
        range: String,
        /// The value.
        found: String,
    },
    /// A name that is not one of those that the key takes.
    #[error("`{key}`: there is no {kind} `{found}`{}; known: {}", nearest(found, known), list(known))]
    UnknownName {
        /// Its full path.
        key: String,
        /// `"layer"`, `"loss"`, `"optimizer"`, …
        kind: &'static str,
        /// The name as written.
        found: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// A field without a default was left out.
    #[error("`{key}` is missing: {expected}")]
    Missing {
        /// Its full path.
        key: String,
        /// What to write there.
        expected: String,
    },
    /// A `--set` whose key is not a dotted path.
    #[error(
        "`--set {key}=…`: a key is names and list places with dots between, as `optimizer.learning_rate` or `model.layers[0].out`"
    )]
    OverrideKey {
        /// The key as written.
        key: String,
    },
    /// A `--set` that goes through a value which holds nothing.
    #[error("`--set {key}=…`: `{at}` is {found}, there is nothing to set in it")]
    OverridePath {
        /// The key as written.
        key: String,
        /// How far it leads.
        at: String,
        /// What stands there.
        found: String,
    },
    /// A `--set` past the end of a list.
    #[error("`--set {key}=…`: `{at}` has {length} entries, counted from 0; found {index}")]
    OverrideIndex {
        /// The key as written.
        key: String,
        /// The list.
        at: String,
        /// The place.
        index: String,
        /// How long it is.
        length: usize,
    },
    /// Lists of a population's members that are not of one length.
    #[error(
        "the members of a population need lists of one length: {}{}. Make them as long as one another, or draw numbers with \
         {{ uniform = [a, b] }}",
        lengths(lists),
        population.map(|n| format!(", and `train.population` is {n}")).unwrap_or_default()
    )]
    Lengths {
        /// Each list's key and its length.
        lists: Vec<(String, usize)>,
        /// `train.population`, where it is given.
        population: Option<usize>,
    },
    /// A layer refused for another reason than a value's range.
    #[error("`{key}`: {source}")]
    Layer {
        /// Its full path.
        key: String,
        /// The reason.
        source: GraphError,
    },
}

/// The part of a path after the last dot.
fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

fn lengths(lists: &[(String, usize)]) -> String {
    lists.iter().map(|(key, length)| format!("`{key}` has {length}")).collect::<Vec<_>>().join(", ")
}

fn list(known: &[String]) -> String {
    if known.is_empty() {
        return "none".into();
    }
    known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// `(did you mean …?)`, if one of the known names is near: alike (Jaro–Winkler), or one slip of the finger away, which
/// Jaro–Winkler does not see in words of two or three letters.
fn nearest(found: &str, known: &[String]) -> String {
    let found = found.to_lowercase();
    let score = |name: &String| {
        let slip = strsim::damerau_levenshtein(&found, name) == 1;
        strsim::jaro_winkler(&found, name).max(if slip { 0.9 } else { 0.0 })
    };
    match known.iter().map(|name| (score(name), name)).max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((score, name)) if score >= 0.75 => format!(" (did you mean `{name}`?)"),
        _ => String::new(),
    }
}

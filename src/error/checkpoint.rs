//! Errors of reading and writing weights and runs.

use std::path::{Path, PathBuf};

use crate::shape::Shape;

/// Why weights or a run cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A file or folder that is missing or cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A file or folder that cannot be written: what was there before is untouched.
    #[error(
        "cannot write `{}`: {source}. What it held before is kept; free space or choose another folder (`--out`)",
        path.display()
    )]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A file that is no safetensors file, is cut short or was changed.
    #[error("`{}` is not a whole safetensors file: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Tensors that are not those of the model: every difference is listed.
    #[error("`{}` does not fit the model:{}", path.display(), differences(missing, extra, misshaped, wrong_dtype))]
    Mismatch {
        /// The file. Boxed to keep [`Error`](crate::Error) below 128 bytes, where clippy calls a result too large.
        path: Box<Path>,
        /// Tensors that the model has and the file lacks, with the model's shape.
        missing: Vec<(String, Shape)>,
        /// Tensors that the file has and the model lacks, with the file's shape.
        extra: Vec<(String, Shape)>,
        /// Tensors of different shapes.
        misshaped: Vec<Misshaped>,
        /// Tensors whose elements are no floats, and counts that are none.
        wrong_dtype: Vec<Mistyped>,
    },
    /// A weight or statistic that is no finite number where it is to be used.
    #[error(
        "`{}`: number {place} (from 0) of `{tensor}` is {found}, which is no finite number in {floats}; {}",
        path.display(),
        if found.is_finite() { "use `--device cpu --precision f64`" } else { "take weights from before they diverged" }
    )]
    NonFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The place within the flattened tensor, from 0.
        place: usize,
        /// What stands there.
        found: f64,
        /// `"f32"` or `"f64"`: what the numbers are to be held in.
        floats: &'static str,
    },
    /// A safetensors file without the state of a run.
    #[error(
        "`{}` holds no state of a run ({reason}); give a folder that `thalweg train` wrote, \
         or start from weights alone with `--init`",
        path.display()
    )]
    NoState {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// A checkpoint of a later version of the library.
    #[error("`{}` has format {found}, this version reads up to {known}; use a newer thalweg", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known.
        known: u32,
    },
    /// A checkpoint made under other settings than the run that would go on from it.
    #[error(
        "`{}` was made with {setting} `{found}`, this run has `{expected}`; a resumed run must be the same run",
        path.display()
    )]
    Differs {
        /// The file.
        path: PathBuf,
        /// The setting, as the run's TOML says it.
        setting: &'static str,
        /// The checkpoint's.
        found: String,
        /// The run's.
        expected: String,
    },
    /// A state that the run cannot have come to: the file was changed by hand, or is another run's.
    #[error(
        "`{}` holds a state that this run cannot have: `{what}` is {found}, expected {expected}; restore the file, \
         or start from weights alone with `--init`",
        path.display()
    )]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// What of the state.
        what: &'static str,
        /// What it is.
        found: String,
        /// What it can be, in words.
        expected: String,
    },
    /// The state of a PyTorch optimizer whose tensors were not all updated equally often.
    #[error(
        "`{}`: `{tensor}` was updated {found} times, `{other}` {expected} times, and a run counts the updates of all tensors \
         together; freeze what PyTorch left out (`frozen = true` in `[[optimizer.groups]]`), or start from weights alone with `--init`",
        path.display()
    )]
    Unequal {
        /// The file.
        path: PathBuf,
        /// A tensor.
        tensor: String,
        /// Its updates.
        found: u64,
        /// The first tensor that counts them.
        other: String,
        /// Its updates.
        expected: u64,
    },
    /// A rule whose state is not read from PyTorch.
    #[error("`{}`: what PyTorch keeps for `{rule}` is not read here; start from weights alone with `--init`", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The run's rule.
        rule: &'static str,
    },
    /// PyTorch's numbers of parameters, where they need not be the model's order.
    #[error(
        "`{}` has numbers for the parameters of {groups} groups, and which they are is not said; save their names: make PyTorch's \
         optimizer with `model.named_parameters()`, or write `state.0.weight.FIELD` in place of `state.0.FIELD`",
        path.display()
    )]
    Numbered {
        /// The file.
        path: PathBuf,
        /// Groups of parameters.
        groups: usize,
    },
    /// Two tensors that would have one name in the file.
    #[error("two tensors would be called `{name}` in the file; rename a parameter")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A tensor whose numbers do not fill its shape.
    #[error("tensor `{name}` of shape {shape} takes {} numbers, found {found}", shape.elements())]
    WrongLength {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Shape,
        /// Numbers given.
        found: usize,
    },
    /// A history line that is not JSON.
    #[error("`{}`, line {line} is not a JSON object; remove it or move the file away", path.display())]
    BadHistory {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// A tensor whose shape in a file is not the model's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misshaped {
    /// The tensor.
    pub name: String,
    /// The model's shape.
    pub expected: Shape,
    /// The file's.
    pub found: Shape,
}

/// A tensor whose elements in a file are not what the model has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistyped {
    /// The tensor.
    pub name: String,
    /// What the model has: `"floats"`, or for PyTorch's `num_batches_tracked` an `I64` that is no less than 0.
    pub expected: &'static str,
    /// The file's type, or the number that is no count.
    pub found: String,
}

fn differences(
    missing: &[(String, Shape)],
    extra: &[(String, Shape)],
    misshaped: &[Misshaped],
    wrong_dtype: &[Mistyped],
) -> String {
    let mut lines = Vec::new();
    lines.extend(missing.iter().map(|(name, shape)| format!("\n  missing: `{name}` {shape}")));
    lines.extend(extra.iter().map(|(name, shape)| format!("\n  not in the model: `{name}` {shape}")));
    lines.extend(misshaped.iter().map(|Misshaped { name, expected, found }| {
        format!("\n  wrong shape: `{name}` is {found}, the model has {expected}")
    }));
    lines.extend(wrong_dtype.iter().map(|Mistyped { name, expected, found }| {
        format!("\n  wrong type: `{name}` is {found}, the model has {expected}")
    }));
    lines.concat()
}

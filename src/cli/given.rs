//! A run and the data it is put to: what `predict` and `eval` take alike.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use thalweg::Error;
use thalweg::data::{Dataset, Given, Source, Split};
use thalweg::device::Device;
use thalweg::train::Predictor;

use super::error::CliError;
use super::machine::Machine;

#[derive(Debug, Args)]
pub(crate) struct Inputs {
    /// The run's folder, as `thalweg train` left it
    #[arg(value_name = "DIR")]
    pub(crate) run: PathBuf,
    /// A source as a run's TOML has it (digits, csv:FILE, npz:FILE, idx:DIR, cifar10:DIR, cifar100:DIR, images:DIR), or a
    /// .csv or .npz file, or a folder of one of these kinds
    pub(crate) data: String,
    #[command(flatten)]
    pub(crate) machine: Machine,
    /// Which part of the data [default: what they have to validate or test by; of data that are not divided all rows,
    /// but `eval` on the run's own data takes those that the run held out]
    #[arg(long, value_enum)]
    pub(crate) part: Option<Part>,
    /// The running average of the parameters, which a run with train.average keeps, instead of the parameters
    #[arg(long)]
    pub(crate) average: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Part {
    /// What a run trains on
    Train,
    /// What a run is judged by
    Validation,
}

impl Part {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
        }
    }
}

/// A model and the rows it is given.
pub(crate) struct Opened {
    pub(crate) model: Predictor,
    pub(crate) device: Device,
    pub(crate) why: String,
    pub(crate) source: Source,
    pub(crate) data: Dataset,
    pub(crate) part: Option<Part>,
    /// One line for people: which rows they are.
    pub(crate) description: String,
}

impl Opened {
    /// Puts the data's name before an error that speaks of them.
    pub(crate) fn of_data<T>(&self, result: thalweg::Result<T>) -> Result<T, CliError> {
        result.map_err(|error| of(&self.source, error))
    }
}

impl Inputs {
    /// Opens everything. `held_out` says whether the run's own data mean those it held out.
    pub(crate) fn open(&self, held_out: bool) -> Result<Opened, CliError> {
        let (device, why) = self.machine.open()?;
        let load = if self.average { Predictor::load_average } else { Predictor::load };
        let mut model = load(&self.run, &device)?;
        let source = Source::recognise(&self.data)?;
        let given = source.given(Path::new(""), &mut |shape| model.takes(shape)).map_err(|e| of(&source, e))?;
        let config = &model.config().data;
        let own = same(&config.source, &source).then_some(config.validation);
        let (data, part, description) = self.choose(given, own, held_out, &source)?;
        Ok(Opened { model, device, why, source, data, part, description })
    }

    /// The rows that are meant. `own` is the share that the run held out, where the data are its own.
    fn choose(
        &self,
        mut given: Given,
        own: Option<f64>,
        held_out: bool,
        source: &Source,
    ) -> Result<(Dataset, Option<Part>, String), CliError> {
        let said = |data: Dataset, part: Part, of: &str| {
            let description = format!("{source}: {} rows, {of}", data.rows());
            Ok((data, Some(part), description))
        };
        let absent = |part: Part, why: &'static str| {
            let (data, part) = (source.to_string(), part.name());
            Err(CliError::NoPart { data, part, why })
        };
        // The run divided the training part of its own data where they have none to validate by, whatever stands beside it.
        let judged = self.part.is_some() || (held_out && own.is_some_and(|share| share > 0.0));
        if own.is_some() && given.validation.is_none() && given.train.is_some() && judged {
            given.undivided = given.train.take();
        }
        if given.train.is_some() || given.validation.is_some() {
            return match (self.part, given.validation, given.train, given.undivided) {
                (Some(Part::Validation) | None, Some(data), ..) => {
                    said(data, Part::Validation, "the part to validate or test by")
                }
                (Some(Part::Train), _, Some(data), _) => said(data, Part::Train, "the part to train on"),
                (Some(part), ..) => absent(part, "it does not have that part"),
                (None, None, train, undivided) => match undivided.or(train) {
                    Some(data) => {
                        let description = format!("{source}: all {} rows", data.rows());
                        Ok((data, None, description))
                    }
                    None => absent(Part::Validation, "it does not have that part"),
                },
            };
        }
        let Some(all) = given.undivided else { return absent(Part::Validation, "it holds nothing") };
        let part = self.part.or((held_out && own.is_some_and(|share| share > 0.0)).then_some(Part::Validation));
        match (part, own) {
            (None, _) => {
                let description = format!("{source}: all {} rows", all.rows());
                Ok((all, None, description))
            }
            (Some(part), None) => absent(part, "it has no parts, and is not what the run was trained on"),
            (Some(part), Some(share)) => {
                let Split { train, validation, .. } = Split::hold_out(all, share, &source.to_string())?;
                match (part, validation) {
                    (Part::Train, _) => said(train, part, "those that the run was trained on"),
                    (Part::Validation, Some(held)) => said(held, part, "those that the run held out"),
                    // A single row, which cannot be divided; `--part` was not asked for.
                    (Part::Validation, None) if self.part.is_none() => said(train, Part::Train, "all there are"),
                    (Part::Validation, None) => absent(part, "the run held nothing out"),
                }
            }
        }
    }
}

/// Whether both lead to the same data.
fn same(a: &Source, b: &Source) -> bool {
    let kind = std::mem::discriminant(a) == std::mem::discriminant(b);
    let real = |source: &Source| source.path().map(|path| path.canonicalize());
    kind && match (real(a), real(b)) {
        (None, None) => true,
        (Some(Ok(a)), Some(Ok(b))) => a == b,
        _ => false,
    }
}

/// An error that speaks of the data, with their name where it does not say it.
fn of(source: &Source, error: Error) -> CliError {
    let speaks = matches!(error, Error::Data(_) | Error::Train(_) | Error::Graph(_));
    let path = source.path().map_or_else(|| source.to_string(), |path| path.display().to_string());
    if speaks && !error.to_string().contains(&path) {
        return CliError::Given { of: path, error: Box::new(error) };
    }
    error.into()
}

//! `thalweg predict`

use std::io::BufWriter;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use thalweg::train::Predictions;
use thalweg::train::checkpoint::write_atomic;

use super::error::CliError;
use super::given;
use super::output::{event, line};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    given: given::Inputs,
    /// Where to write: CSV, or NPZ by its ending [default: CSV to standard output]
    #[arg(long, value_name = "FILE.csv|FILE.npz")]
    out: Option<PathBuf>,
    /// With --out: what was done as one JSON object
    #[arg(long, requires = "out")]
    json: bool,
}

#[derive(Clone, Copy)]
enum Form {
    Csv,
    Npz,
}

impl Form {
    fn of(path: &Path) -> Result<Self, CliError> {
        match path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("npz") => Ok(Self::Npz),
            _ => Err(CliError::OutEnding { found: path.into() }),
        }
    }

    fn bytes(self, found: &Predictions) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Npz => found.to_npz(),
            Self::Csv => {
                let mut bytes = Vec::new();
                found.write_csv(&mut bytes).map(|()| bytes)
            }
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool, CliError> {
    let form = arguments.out.as_deref().map(Form::of).transpose()?;
    let mut opened = arguments.given.open(false)?;
    let found = opened.model.predict(&opened.data);
    let found = opened.of_data(found)?;
    super::tune::warn(&opened.device);
    let (Some(out), Some(form)) = (&arguments.out, form) else {
        found.write_csv(BufWriter::new(std::io::stdout().lock()))?;
        return Ok(true);
    };
    let bytes = form.bytes(&found).map_err(|source| CliError::Unwritten { path: out.clone(), source })?;
    write_atomic(out, &bytes)?;
    if arguments.json {
        event(
            "predict",
            json!({
                "run": arguments.given.run, "data": opened.source.to_string(), "part": opened.part.map(given::Part::name),
                "rows": found.rows(), "device": opened.why, "precision": opened.device.precision().name(),
                "values": found.meaning().name(), "shape": found.shape().axes(), "classes": found.classes().is_some(),
                "class_names": found.class_names(), "out": out,
            }),
        )?;
    } else {
        line(format!("device: {}", opened.why))?;
        line(format!("data:   {}", opened.description))?;
        let classes = if found.classes().is_some() { "classes and " } else { "" };
        line(format!("{classes}{} of {} rows are in {}", found.meaning().name(), found.rows(), out.display()))?;
    }
    Ok(true)
}

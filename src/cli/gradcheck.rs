//! `thalweg gradcheck`

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};
use thalweg::Error;
use thalweg::check::{GradientCheck, Report, gradients_from, ops};
use thalweg::data::{Dataset, Targets};
use thalweg::device::gpu::{Gpu, Options, Tuning};
use thalweg::error::DeviceError;
use thalweg::nn::{Augment, Mode, TargetKind, assemble};
use thalweg::train::Weights;
use thalweg::train::config::RunConfig;

use super::error::CliError;
use super::output::{event, line};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The model, loss and data to check; without it, those of the default run
    run: Option<PathBuf>,
    /// Check every registered op and loss instead of a model
    #[arg(long, conflicts_with_all = ["run", "set", "init", "rows", "burn_in"])]
    ops: bool,
    /// Whose kernels are held to the f64 twins: auto (the best adapter there is, software ones included), gpu, cpu
    /// (none), or a part of an adapter's name
    #[arg(long, default_value = "auto")]
    device: String,
    /// One JSON object a line instead of tables
    #[arg(long)]
    json: bool,
    /// Change any key of the TOML, e.g. `--set model.l2=1e-3`
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Examples in the batch; few examples have few kinks to cross [default: 3]
    #[arg(long, value_name = "N")]
    rows: Option<usize>,
    /// h of the centred differences [default: 1e-5]
    #[arg(long, value_name = "H", allow_negative_numbers = true)]
    step: Option<f64>,
    /// Dimensions sampled from every tensor [default: 20]
    #[arg(long, value_name = "N")]
    dimensions: Option<usize>,
    /// Most steps of training before the second check; 0 checks the initial weights alone [default: 200]
    #[arg(long, value_name = "STEPS")]
    burn_in: Option<u32>,
    /// Of initial weights, examples, dimensions and dropout masks [default: the run's `train.seed`; 0 for --ops]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Factor on the loss, where gradients are too small to compare [default: 1]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    scale: Option<f64>,
    /// Leave out the errors over steps from 1e-1 to 1e-10
    #[arg(long)]
    no_sweep: bool,
    /// Check at these weights (PyTorch's names and layouts) in place of initial ones
    #[arg(long, value_name = "FILE.safetensors")]
    init: Option<PathBuf>,
}

impl Arguments {
    fn check(&self, seed: u64) -> GradientCheck {
        let default = GradientCheck::default();
        GradientCheck {
            rows: self.rows.unwrap_or(default.rows),
            step: self.step.unwrap_or(default.step),
            dimensions: self.dimensions.unwrap_or(default.dimensions),
            burn_in: self.burn_in.unwrap_or(default.burn_in),
            scale: self.scale.unwrap_or(default.scale),
            seed: self.seed.unwrap_or(seed),
            sweep: !self.no_sweep && !self.ops,
        }
    }
}

/// `Ok(false)` where a check failed.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, CliError> {
    if arguments.ops {
        let (gpu, why) = kernels(&arguments.device)?;
        introduce(arguments, "every op and loss", &why)?;
        let report = ops(&arguments.check(0), gpu.as_ref())?;
        return say(arguments, &report, report.to_json(), report.passed());
    }
    let overrides = super::train::overrides(&arguments.set)?;
    let config = match &arguments.run {
        Some(file) => RunConfig::load(file, &overrides)?,
        None => RunConfig::parse("", &overrides)?,
    };
    let (gpu, why) = kernels(&arguments.device)?;
    let (data, fitted) = super::train::load(&config)?;
    let augment = config.data.augment(fitted.as_ref());
    let of = match &arguments.run {
        Some(file) => format!("the model of {}, on {}", file.display(), config.data.source),
        None => format!("the default run's model, on {}", config.data.source),
    };
    introduce(arguments, &of, &why)?;
    let report = model(arguments, &config, &augment, &data.train, gpu.as_ref())?;
    say(arguments, &report, report.to_json(), report.passed())
}

fn model(
    arguments: &Arguments,
    config: &RunConfig,
    augment: &Augment,
    data: &Dataset,
    gpu: Option<&Gpu>,
) -> Result<Report, CliError> {
    let (model, objective) = (config.model()?, config.objective());
    // One step's changes of the images, as one mask of a dropout: the gradients are those of what is trained.
    let model = augment.over(&model);
    let input = config.recipe(None).example(data)?;
    let initial = match &arguments.init {
        None => None,
        Some(file) => {
            let targets = match data.targets() {
                Targets::Classes { classes, .. } => TargetKind::Classes { classes: *classes },
                Targets::Values { shape, .. } => TargetKind::Values { shape: shape.clone() },
            };
            // For names and shapes alone: one example is enough where nothing is normalised over the batch.
            let assembled = assemble(&model, &input, targets, &objective, 1, Mode::Evaluate)?;
            Some(Weights::read(file, &assembled).map_err(Error::from)?.parameters)
        }
    };
    let check = arguments.check(config.train.seed);
    Ok(gradients_from(initial, &model, &input, &objective, data, &check, gpu)?)
}

/// The adapter whose kernels are checked, and which or why none.
fn kernels(device: &str) -> Result<(Option<Gpu>, String), CliError> {
    // The variants that training takes; it is the f64 twin that is waited for here, so nothing is timed.
    let tuning = match Tuning::from_environment(Tuning::Cached)? {
        Tuning::Within(_) => Tuning::Cached,
        other => other,
    };
    let options = Options { tuning, ..Options::default() };
    let gpu = match device {
        "cpu" => return Ok((None, "not checked, as `--device cpu` asks".into())),
        "auto" => match Gpu::best(options) {
            Err(DeviceError::NoAdapter) => {
                return Ok((None, "not checked: no Vulkan, Metal or DX12 adapter was found".into()));
            }
            opened => opened?,
        },
        "gpu" => Gpu::best(options)?,
        name => Gpu::named(name, options)?,
    };
    let adapter = gpu.adapter();
    let why = format!("{} ({}, {}), in f32 against f64", adapter.name, adapter.kind.describe(), adapter.backend);
    Ok((Some(gpu), why))
}

fn introduce(arguments: &Arguments, of: &str, kernels: &str) -> Result<(), CliError> {
    if arguments.json {
        return event("start", json!({ "of": of, "derivatives": "cpu, f64", "kernels": kernels }));
    }
    line(format!("checking:    {of}"))?;
    line("derivatives: on the cpu in f64, against centred differences")?;
    line(format!("kernels:     {kernels}\n"))
}

fn say(
    arguments: &Arguments,
    report: &dyn std::fmt::Display,
    lines: Vec<Value>,
    passed: bool,
) -> Result<bool, CliError> {
    if !arguments.json {
        line(report.to_string().trim_end())?;
        return Ok(passed);
    }
    for found in lines {
        match found {
            Value::Object(mut fields) => {
                let name = fields.remove("event");
                event(name.as_ref().and_then(Value::as_str).unwrap_or("report"), fields as Map<String, Value>)?;
            }
            other => line(other)?,
        }
    }
    Ok(passed)
}

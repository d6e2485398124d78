//! `thalweg tune`

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use thalweg::data::{Dataset, Split, Targets, Values};
use thalweg::device::gpu::{ClassTiming, Gpu, Options, Tuning, TuningReport};
use thalweg::device::{Device, Precision};
use thalweg::nn::{Conv2d, Flatten, Linear, MaxPool2d, Relu, Sequential};
use thalweg::train::config::RunConfig;
use thalweg::{Recipe, Shape, Trainer};

use super::error::CliError;
use super::output::{event, line};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Time the kernels of this run; without it, those of the default run, of a perceptron and of a convolutional network
    /// on images of 28 × 28
    run: Option<PathBuf>,
    /// auto, gpu, cpu, or a part of an adapter's name
    #[arg(long, default_value = "auto")]
    device: String,
    /// Change any key of the TOML, e.g. `--set train.batch_size=256`
    #[arg(long, value_name = "KEY=VALUE", requires = "run")]
    set: Vec<String>,
    /// Forget what the file holds for this adapter first
    #[arg(long)]
    rebuild: bool,
    /// Most time to spend; 0 only shows what the file holds
    #[arg(long, value_name = "S", default_value = "60", value_parser = seconds, allow_negative_numbers = true)]
    seconds: Duration,
    /// One JSON object a line instead of a table
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let found = text.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    found.ok_or_else(|| "a number of seconds, as `60` or `0.5`".into())
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool, CliError> {
    let options = Options { tuning: Tuning::Within(arguments.seconds), ..Options::default() };
    let (device, why) = Device::select_with(&arguments.device, Precision::F32, options)?;
    let Device::Gpu(gpu) = &device else {
        if arguments.json {
            event("tune", json!({ "device": why, "file": null }))?;
            return event("done", json!({ "classes": 0, "timed": 0, "seconds": 0.0 })).map(|()| true);
        }
        line(format!("device:  {why}"))?;
        line("The cpu device has one kernel for everything: there is nothing to tune.")?;
        return Ok(true);
    };
    if arguments.rebuild {
        gpu.forget_tuning()?;
    }
    compile(arguments, &device)?;
    let report = gpu.tuning();
    if arguments.json {
        as_json(gpu, &why, &report)?
    } else {
        line(as_text(gpu, &why, &report).trim_end())?
    }
    said(&report);
    Ok(true)
}

/// Builds everything a run would: that settles its kernels.
fn compile(arguments: &Arguments, device: &Device) -> Result<(), CliError> {
    let overrides = super::train::overrides(&arguments.set)?;
    let config = match &arguments.run {
        Some(file) => RunConfig::load(file, &overrides)?,
        None => RunConfig::parse("", &overrides)?,
    };
    let (data, standardisation) = super::train::load(&config)?;
    Trainer::new(device, &config.model()?, &data, config.recipe(standardisation.as_ref()))?;
    if arguments.run.is_some() {
        return Ok(());
    }
    let wide = || Linear::new(1024);
    let perceptron = Sequential::new().add(Flatten).add(wide()).add(Relu).add(wide()).add(Relu).add(Linear::new(10));
    let filters = |n| Conv2d { padding: [1, 1], ..Conv2d::new(n, [3, 3]) };
    let network = Sequential::new()
        .add(filters(32))
        .add(Relu)
        .add(MaxPool2d::new([2, 2]))
        .add(filters(64))
        .add(Relu)
        .add(MaxPool2d::new([2, 2]))
        .add(Flatten)
        .add(Linear::new(128))
        .add(Relu)
        .add(Linear::new(10));
    for (model, batch_size) in [(perceptron, 256), (network, 64)] {
        let (shape, targets) =
            (Shape::from([1, 28, 28]), Targets::Classes { labels: vec![0; batch_size], classes: 10 });
        // Only the shapes matter.
        let train = Dataset::new(Values::F32(vec![0.0; batch_size * shape.elements()]), shape, targets)?;
        let data = Split { train, validation: None, description: "zeros".into() };
        Trainer::new(device, &model, &data, Recipe { batch_size, ..Recipe::default() })?;
    }
    Ok(())
}

fn as_json(gpu: &Gpu, why: &str, report: &TuningReport) -> Result<(), CliError> {
    let adapter = gpu.adapter();
    event(
        "tune",
        json!({
            "device": why, "file": report.file, "adapter": adapter.name, "backend": adapter.backend,
            "driver": adapter.driver, "thalweg": env!("CARGO_PKG_VERSION"),
        }),
    )?;
    for (class, timing) in &report.kept {
        event(
            "class",
            json!({
                "class": class, "variant": timing.variant, "milliseconds": timing.milliseconds,
                "refused": timing.refused, "cut_after": timing.cut_after, "speedup": timing.speedup(),
                "in_this_run": report.classes.iter().any(|met| met.class == *class),
            }),
        )?;
    }
    for met in report.classes.iter().filter(|met| met.left.is_some()) {
        event("left", json!({ "class": met.class, "variant": met.variant, "why": met.left }))?;
    }
    let (classes, timed) = (report.classes.len(), report.timed().count());
    event("done", json!({ "classes": classes, "timed": timed, "kept": report.kept.len(), "seconds": report.seconds }))
}

fn as_text(gpu: &Gpu, why: &str, report: &TuningReport) -> String {
    let file = report.file.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string());
    let mut text = format!("device:  {why}\ndriver:  {}\nfile:    {file}\n", gpu.adapter().driver);
    let (met, timed) = (report.classes.len(), report.timed().count());
    text += &match met {
        0 => "No op of this run has several kernels here: there is nothing to tune.\n".into(),
        _ => format!("classes: {met}, of which {timed} were timed now, in {:.1} s\n", report.seconds),
    };
    if !report.kept.is_empty() {
        let width = report.kept.keys().map(|class| class.chars().count()).max().unwrap_or(0).max(5);
        text += &format!("\n{:width$}  {:>8}  chosen, and milliseconds of each\n", "class", "speed-up");
        for (class, timing) in &report.kept {
            let faster = timing.speedup().map_or_else(|| "-".to_owned(), |x| format!("{x:.2} ×"));
            text += &format!("{class:width$}  {faster:>8}  {}\n", times(timing));
        }
    }
    for met in report.classes.iter() {
        if let Some(why) = &met.left {
            text += &format!("{}: left at its default, {why}\n", met.class);
        }
    }
    text
}

/// The chosen variant, and the times of all, the fastest first.
fn times(timing: &ClassTiming) -> String {
    let mut all: Vec<_> = timing.milliseconds.iter().collect();
    all.sort_by(|a, b| a.1.total_cmp(b.1));
    let each: Vec<String> = all.iter().map(|(name, ms)| format!("{name} {ms:.3}")).collect();
    let refused: Vec<String> = timing.refused.keys().map(|name| format!("{name} refused")).collect();
    let cut = timing.cut_after.map(|s| format!("not finished within {s:.1} s"));
    let parts: Vec<String> = each.into_iter().chain(refused).chain(cut).collect();
    if parts.is_empty() { timing.variant.clone() } else { format!("{}: {}", timing.variant, parts.join(", ")) }
}

/// What was timed before a run, on one line.
pub(crate) fn summary(device: &Device) -> Option<String> {
    let Device::Gpu(gpu) = device else { return None };
    let report = gpu.tuning();
    let timed = report.timed().count();
    let kept = report.file.as_ref().map_or_else(String::new, |path| format!(", kept in {}", path.display()));
    (timed > 0).then(|| format!("tuned:  {timed} kinds of kernels in {:.1} s{kept}", report.seconds))
}

/// What is wrong with the file of choices or with a kernel, on stderr.
pub(crate) fn warn(device: &Device) {
    if let Device::Gpu(gpu) = device {
        said(&gpu.tuning());
    }
}

fn said(report: &TuningReport) {
    // Nobody who reads it is no reason to stop.
    let mut err = std::io::stderr();
    for warning in &report.warnings {
        let _ = writeln!(err, "note: {warning}");
    }
    for class in report.timed() {
        for (variant, why) in class.timing.iter().flat_map(|timing| &timing.refused) {
            let _ = writeln!(err, "note: kernel `{variant}` of {} was refused on this adapter: {why}", class.class);
        }
    }
}

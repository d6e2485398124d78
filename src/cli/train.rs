//! `thalweg train`

mod explain;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};
use thalweg::data::{Split, Standardisation};
use thalweg::device::Device;
use thalweg::train::checkpoint::{
    CLASSES, OPTIMIZER, POPULATION, RUN, STANDARDISATION, class_names, kernels, member_folder, write_atomic,
};
use thalweg::train::config::RunConfig;
use thalweg::train::{Difference, End, Event, Flow, Trainer};

use super::error::CliError;
use super::machine::Machine;
use super::output::{event, line, word};
use super::population::Population;
use super::progress::Progress;

#[derive(Debug, Default, Args)]
pub(crate) struct Arguments {
    /// What to train; without it, a small network on handwritten digits
    run: Option<PathBuf>,
    #[command(flatten)]
    machine: Machine,
    /// Change any key of the TOML, e.g. `--set optimizer.learning_rate=3e-4`
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The same as `--set train.epochs=N`
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// Start from these weights (PyTorch's names and layouts)
    #[arg(long, value_name = "FILE.safetensors", conflicts_with = "resume")]
    init: Option<PathBuf>,
    /// Go on from this state of a PyTorch optimizer: the tensors of its `state_dict()`, by names like `state.0.weight.exp_avg`
    #[arg(long, value_name = "FILE.safetensors", requires = "init", conflicts_with = "resume")]
    init_optimizer: Option<PathBuf>,
    /// Go on with the run in this folder, on the same device with the same bits as if it had never stopped
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
    /// The run's folder [default: runs/NAME-N, the first that is free]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// One JSON object a line instead of words
    #[arg(long)]
    json: bool,
    /// With --json: a line for every step
    #[arg(long, requires = "json")]
    log_steps: bool,
    /// Print the program of a step and its floor on this device, and train nothing: each launch, the bytes that it must move, its
    /// floating-point operations, and the time below which no kernel gets
    #[arg(long, conflicts_with = "log_steps")]
    explain: bool,
    /// With --explain: also the time that each launch takes, and which share of it the floor is
    #[arg(long, requires = "explain")]
    profile: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool, CliError> {
    let began = Instant::now();
    let (config, folder) = prepare(arguments)?;
    let (device, why) = arguments.machine.open()?;
    let model = config.model()?;
    let (data, standardisation) = load(&config)?;
    if let (Some(folder), Some(found)) = (&arguments.resume, data.train.class_names())
        && let Some(known) = class_names(folder)?
        && known != found
    {
        return Err(CliError::ResumeClasses {
            folder: folder.clone(),
            found: found.join(", "),
            known: known.join(", "),
        });
    }
    if let Some(folder) = &arguments.resume {
        device.adopt(&kernels(folder));
    }
    let mut trainer =
        Trainer::new(&device, &model, &data, config.recipe(standardisation.as_ref())).map_err(|error| match error {
            thalweg::Error::Data(error) => CliError::Data { of: config.data.source.to_string(), error },
            other => other.into(),
        })?;
    if let Some(file) = &arguments.init {
        trainer.load_weights(file)?;
    }
    if arguments.explain {
        introduce(arguments, &config, &data, &trainer, (&device, &why), &folder)?;
        explain::run(&mut trainer, &device, arguments.profile, arguments.json)?;
        return Ok(true);
    }
    let state = arguments.init_optimizer.as_ref().map(|file| trainer.load_optimizer(file)).transpose()?;
    let mut made_by = header(arguments, &trainer, &device);
    if let Some(folder) = &arguments.resume {
        trainer.resume(folder)?;
        made_by = add_header(&folder.join(RUN), trainer.step(), made_by);
    }
    trainer.keep_in(&folder)?;
    describe(&folder, &made_by, &config, &data, standardisation.as_ref())?;
    if trainer.population() > 1 {
        // Each member's folder is a run's own: what makes the member alone.
        for m in 0..trainer.population() {
            describe(&member_folder(&folder, m), &made_by, &config.alone(m)?, &data, standardisation.as_ref())?;
        }
    }

    introduce(arguments, &config, &data, &trainer, (&device, &why), &folder)?;
    differences(arguments.json, state.as_ref().map_or(&[], |found| &found.differences))?;
    if let Some(before) = trainer.moved_from() {
        let note = format!(
            "this run was on {before}; on {} it goes on, but not with the same bits as if it had stayed",
            trainer.device()
        );
        if arguments.json {
            event("note", json!({ "note": note, "before": before, "now": trainer.device() }))?;
        }
        // Nobody who reads it is no reason to stop.
        let _ = writeln!(std::io::stderr(), "note: {note}");
    }
    if trainer.retuned() {
        let note = "this run goes on with other kernels than it had, and so not with the same bits";
        if arguments.json {
            event("note", json!({ "note": note }))?;
        }
        let _ = writeln!(std::io::stderr(), "note: {note}");
    }
    super::tune::warn(&device);
    let interrupted = watch_interrupts()?;
    let total = config.train.epochs as u64 * trainer.steps_per_epoch() as u64;
    let mut progress = Progress::new(total, trainer.step(), config.train.epochs as u32, arguments.json);
    let mut members = Population::new(trainer.population(), trainer.diverged());
    let mut trouble = None;
    let end = trainer.run(&mut |happened| {
        let said = match happened {
            Event::Step(step) if arguments.log_steps => event("step", step),
            Event::Step(step) => {
                progress.step(step);
                Ok(())
            }
            Event::Epoch(epoch) => {
                let told = members.epoch(epoch);
                match told {
                    _ if arguments.json => event("epoch", epoch),
                    Some(told) if !members.is_one() => progress.population(&members, &told),
                    Some(_) => progress.epoch(epoch),
                    None => Ok(()),
                }
            }
            Event::Diverged(diverged) => {
                members.diverged(diverged);
                if arguments.json { event("diverged", diverged) } else { progress.diverged(diverged) }
            }
            Event::Telemetry(told) if arguments.json => event("telemetry", told),
            _ => Ok(()),
        };
        if let Err(error) = said {
            trouble = Some(error);
        }
        if trouble.is_some() || interrupted.load(Ordering::Relaxed) { Flow::Stop } else { Flow::Continue }
    });
    progress.finish();
    let end = end?;
    if let Some(error) = trouble {
        return Err(error);
    }
    let seconds = began.elapsed().as_secs_f64();
    if arguments.json {
        let end = if end == End::Done { "done" } else { "stopped" };
        let last = members.best();
        let mut fields = json!({
            "end": end, "step": trainer.step(), "epoch": trainer.epoch(), "seconds": seconds, "run": folder,
            "val_loss": last.and_then(|e| e.val_loss), "val_accuracy": last.and_then(|e| e.val_accuracy),
        });
        if let (false, Some(fields), Value::Object(more)) = (members.is_one(), fields.as_object_mut(), members.result())
        {
            fields.extend(more);
        }
        event("done", fields)?;
    } else {
        let how = match end {
            End::Done => format!("done: {} steps in {seconds:.1} s", trainer.step()),
            End::Stopped => {
                format!(
                    "stopped after step {}; go on with `thalweg train --resume {}{}`",
                    trainer.step(),
                    word(&folder.display().to_string()),
                    arguments.machine.again()
                )
            }
        };
        if !members.is_one() && members.best().is_some() {
            line(members.table(trainer.recipe()))?;
        }
        line(format!("{how}\nthe run is in {}", folder.display()))?;
    }
    Ok(true)
}

/// Hyper-parameters that PyTorch's optimizer had otherwise: notes.
fn differences(json: bool, found: &[Difference]) -> Result<(), CliError> {
    for Difference { field, found, tensors } in found {
        let more = if tensors.len() > 1 { format!(" and {} more", tensors.len() - 1) } else { String::new() };
        let first = tensors.first().map_or("", String::as_str);
        let note = format!("PyTorch's optimizer had {field} = {found} for `{first}`{more}; this run's own is used");
        if json {
            event("note", json!({ "note": note, "field": field, "found": found, "tensors": tensors }))?;
        }
        // Nobody who reads it is no reason to stop.
        let _ = writeln!(std::io::stderr(), "note: {note}");
    }
    Ok(())
}

/// What makes a run, into its folder.
fn describe(
    folder: &Path,
    made_by: &str,
    config: &RunConfig,
    data: &Split,
    standardisation: Option<&Standardisation>,
) -> Result<(), CliError> {
    write_atomic(&folder.join(RUN), format!("{made_by}\n{}", config.to_toml()).as_bytes())?;
    if let Some(numbers) = standardisation {
        write_atomic(&folder.join(STANDARDISATION), format!("{}\n", json!(numbers)).as_bytes())?;
    }
    if let Some(names) = data.train.class_names() {
        write_atomic(&folder.join(CLASSES), format!("{}\n", json!(names)).as_bytes())?;
    }
    Ok(())
}

/// The run's data, and what standardised them; an error names their file.
pub(crate) fn load(config: &RunConfig) -> Result<(Split, Option<Standardisation>), CliError> {
    config.data.load(Path::new("")).map_err(|error| match config.data.source.path() {
        Some(path) if !error.to_string().contains(&*path.to_string_lossy()) => {
            CliError::Data { of: path.display().to_string(), error }
        }
        _ => error.into(),
    })
}

/// What computes, as the first line of a kept `run.toml`: a comment, for the run can be made anywhere.
fn header(arguments: &Arguments, trainer: &Trainer, device: &Device) -> String {
    let (version, precision) = (env!("CARGO_PKG_VERSION"), device.precision().name());
    let given = [("init", &arguments.init), ("init-optimizer", &arguments.init_optimizer)];
    let init: String =
        given.iter().filter_map(|(name, file)| Some(format!("; {name}: {:?}", file.as_ref()?))).collect();
    format!("# thalweg {version}; device: {}; precision: {precision}{init}\n", trainer.device())
}

/// The header of a run that goes on: the lines it has, and one more where something else computes from this step on.
fn add_header(kept: &Path, step: u64, now: String) -> String {
    let text = std::fs::read_to_string(kept).unwrap_or_default();
    let mut lines: String = text.split_inclusive('\n').take_while(|line| line.starts_with('#')).collect();
    let now = now.trim_start_matches("# ");
    if !lines.lines().last().is_some_and(|last| last.contains(now.trim_end())) {
        lines += &format!("# from step {step} on: {now}");
    }
    lines
}

/// What to run and where to keep it, before anything is opened or written.
fn prepare(arguments: &Arguments) -> Result<(RunConfig, PathBuf), CliError> {
    let mut overrides = overrides(&arguments.set)?;
    overrides.extend(arguments.epochs.map(|n| ("train.epochs".to_owned(), n.to_string())));
    if let Some(folder) = &arguments.resume {
        if arguments.out.as_ref().is_some_and(|out| out != folder) {
            return Err(CliError::ResumeElsewhere { folder: folder.clone() });
        }
        let kept = folder.join(RUN);
        let no_run =
            |e: thalweg::error::ConfigError| CliError::NoRun { folder: folder.clone(), source: Box::new(e.into()) };
        let before = RunConfig::load(&kept, &[]).map_err(no_run)?;
        let now = RunConfig::load(arguments.run.as_ref().unwrap_or(&kept), &overrides)?;
        let differs = [
            ("data", before.data != now.data),
            ("model", before.model != now.model),
            ("population", before.population != now.population),
            ("train", before.train != thalweg::train::config::TrainConfig { epochs: before.train.epochs, ..now.train }),
        ];
        if let Some((section, _)) = differs.into_iter().find(|(_, differs)| *differs) {
            return Err(CliError::ResumeDiffers { folder: folder.clone(), section });
        }
        return Ok((now, folder.clone()));
    }
    let config = match &arguments.run {
        Some(file) => RunConfig::load(file, &overrides)?,
        None => from_here(RunConfig::parse("", &overrides)?)?,
    };
    let folder = match &arguments.out {
        Some(folder) if [OPTIMIZER, POPULATION].iter().any(|file| folder.join(file).exists()) => {
            return Err(CliError::Taken { folder: folder.clone() });
        }
        Some(folder) => folder.clone(),
        None => free_folder(arguments.run.as_deref()),
    };
    Ok((config, folder))
}

/// The run with its data's path from the root, as `RunConfig::load` has it: in a run's folder a relative one would mean
/// another file.
fn from_here(mut run: RunConfig) -> Result<RunConfig, CliError> {
    run.data.source = run.data.source.within(&std::env::current_dir()?);
    Ok(run)
}

pub(crate) fn overrides(given: &[String]) -> Result<Vec<(String, String)>, CliError> {
    let split = |text: &String| match text.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(CliError::Set { found: text.clone() }),
    };
    given.iter().map(split).collect()
}

/// `runs/digits-1`, or the first number that is free.
fn free_folder(run: Option<&Path>) -> PathBuf {
    let name = run.and_then(Path::file_stem).map_or_else(|| "digits".into(), |s| s.to_string_lossy().into_owned());
    let numbered = |n: u32| Path::new("runs").join(format!("{name}-{n}"));
    (1..).map(numbered).find(|folder| !folder.exists()).unwrap_or_else(|| numbered(0))
}

fn introduce(
    arguments: &Arguments,
    config: &RunConfig,
    data: &Split,
    trainer: &Trainer,
    (device, why): (&Device, &str),
    folder: &Path,
) -> Result<(), CliError> {
    let parameters: usize = trainer.tensors().iter().map(|t| t.shape.elements()).sum();
    let held_out = data.validation.as_ref().map_or(0, thalweg::data::Dataset::rows);
    let (rows, held) = (data.train.rows(), trainer.footprint());
    if arguments.json {
        let mut fields = json!({
                "adapter": trainer.device(), "device": why, "precision": device.precision().name(), "parameters": parameters, "bytes": held.total(), "data": data.description,
                "train_rows": rows, "val_rows": held_out, "streamed_rows": trainer.streamed(), "steps_per_epoch": trainer.steps_per_epoch(),
                "memory": {
                    "parameters": held.parameters, "gradients": held.gradients, "states": held.states, "values": held.values,
                    "data": held.data, "other": held.other, "floor": held.floor(),
                },
                "epochs": config.train.epochs, "step": trainer.step(), "run": folder,
        });
        if let (true, Some(fields)) = (trainer.population() > 1, fields.as_object_mut()) {
            fields.insert("population".into(), trainer.population().into());
        }
        return event("start", fields);
    }
    line(format!("device: {why}"))?;
    line(format!("data:   {}: {rows} rows to train on, {held_out} held out", data.description))?;
    if let Some(chunk) = trainer.streamed() {
        line(format!("        streamed: {chunk} rows at a time, for the memory does not hold all"))?;
    }
    let members = match trainer.population() {
        1 => String::new(),
        n => format!("{n} members of "),
    };
    let mib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    line(format!("model:  {members}{parameters} parameters"))?;
    line(format!(
        "memory: {} MiB on the device: parameters {}, gradients {}, states {}, values {}, data {}, other {}",
        mib(held.total()),
        mib(held.parameters),
        mib(held.gradients),
        mib(held.states),
        mib(held.values),
        mib(held.data),
        mib(held.other),
    ))?;
    if let Some(tuned) = super::tune::summary(device) {
        line(tuned)?;
    }
    if trainer.step() > 0 {
        line(format!("resumed after step {}", trainer.step()))?;
    }
    Ok(())
}

/// Ctrl-C asks for an end after what is under way; a second one ends at once.
fn watch_interrupts() -> Result<Arc<AtomicBool>, CliError> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = flag.clone();
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })?;
    Ok(flag)
}

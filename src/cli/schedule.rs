//! `thalweg schedule`

mod axis;
mod braille;
mod course;
mod svg;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use thalweg::device::Precision;
use thalweg::train::checkpoint::write_atomic;
use thalweg::train::config::RunConfig;

use self::axis::{Axis, short};
use self::course::Course;
use super::error::CliError;
use super::output::{event, line};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Whose schedule; without it, the default run's
    run: Option<PathBuf>,
    /// Change any key of the TOML, e.g. `--set schedule.name=\"cosine\"`
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Steps of an epoch, where the data are not at hand [default: counted from the data]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    steps_per_epoch: Option<u32>,
    /// Write the plot to this file too
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
    /// A logarithmic axis for the learning rate
    #[arg(long)]
    log: bool,
    /// One JSON object a line, one for every step, instead of a plot
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool, CliError> {
    let overrides = super::train::overrides(&arguments.set)?;
    let config = match &arguments.run {
        Some(file) => RunConfig::load(file, &overrides)?,
        None => RunConfig::parse("", &overrides)?,
    };
    let recipe = config.recipe(None);
    let steps = match arguments.steps_per_epoch {
        Some(steps) => steps as usize,
        None => counted(&config)?,
    };
    // What `train` would refuse is no curve to look at.
    recipe.check(Precision::F32, steps)?;
    let course = Course::new(&recipe, steps);
    let panels = panels(&course, arguments.log);
    if arguments.json {
        say(&course)?;
    } else {
        line(format!("{}\n{}\n", course.title(), course.summary()))?;
        for panel in &panels {
            line(braille::plot(panel))?;
        }
    }
    let note = course.unknown();
    if let (Some(note), false) = (&note, arguments.json) {
        line(format!("note: {note}"))?;
    }
    if let Some(file) = &arguments.svg {
        write_atomic(file, svg::plot(&course.title(), &panels, note.as_deref()).as_bytes())?;
        if arguments.json {
            event("svg", json!({ "file": file }))?;
        } else {
            line(format!("the plot is in {}", file.display()))?;
        }
    }
    Ok(true)
}

/// One plot: what it shows of which steps.
pub(crate) struct Panel {
    what: &'static str,
    x: Axis,
    y: Axis,
    /// Epochs behind, and the value from there on.
    points: Vec<(f64, f64)>,
}

fn panels(course: &Course, log: bool) -> Vec<Panel> {
    let x = Axis::linear(0.0, course.epochs());
    let rates = course.rates();
    let y = if log { Axis::log(&rates) } else { Axis::around(&rates) };
    let mut panels = vec![Panel { what: "learning rate", x: x.clone(), y, points: rates }];
    if let Some(points) = course.momenta() {
        panels.push(Panel { what: "momentum", x, y: Axis::around(&points), points });
    }
    panels
}

/// Steps of an epoch of the run's data.
fn counted(config: &RunConfig) -> Result<usize, CliError> {
    let unknown = |error: CliError| CliError::NoSteps { error: Box::new(error) };
    let (data, _) = super::train::load(config).map_err(unknown)?;
    let of = config.data.source.to_string();
    data.train.check_batch(config.train.batch_size).map_err(|error| unknown(CliError::Data { of, error }))?;
    Ok(config.recipe(None).updates_per_epoch(data.train.rows()))
}

/// Every step as a line of JSON, counted and dated as those of `train --json --log-steps`.
fn say(course: &Course) -> Result<(), CliError> {
    event("schedule", course.described())?;
    for step in 0..course.steps() {
        let (rate, momentum) = course.at(step);
        let epoch = (step + 1) as f64 / course.steps_per_epoch() as f64;
        let mut fields = json!({ "step": step + 1, "epoch": epoch, "learning_rate": rate });
        if let Some(momentum) = momentum {
            fields["momentum"] = momentum.into();
        }
        event("rate", fields)?;
    }
    Ok(())
}

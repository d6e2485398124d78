//! `thalweg bench`

mod cases;
mod kernels;
mod updates;

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde_json::json;
use thalweg::device::{Device, LaunchReport, Roof};

use super::error::CliError;
use super::machine::Machine;
use super::output::{event, line};
use super::quantity::{billions, bytes, cut, percent, seconds, share};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Which kernels [default: all]
    #[arg(value_enum, value_name = "FAMILY")]
    families: Vec<Family>,
    #[command(flatten)]
    machine: Machine,
    /// Time to take, about: what is not done by then is left out, and said to be
    #[arg(long, value_name = "SECONDS", default_value_t = 40.0, value_parser = budget)]
    seconds: f64,
    /// One JSON object a line instead of a table
    #[arg(long)]
    json: bool,
}

/// Kernels that are timed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Family {
    /// Steps of sgd, momentum and adam
    Updates,
    /// Functions of an element, sums of two tensors
    Elements,
    /// Softmax and cross-entropy
    Rows,
    /// Sums and means along axes
    Reductions,
    /// Products of matrices, as linear layers multiply
    Products,
    /// Convolutions and their gradients
    Convolutions,
}

impl Family {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

fn budget(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|n| *n > 0.0 && *n <= 86_400.0);
    number.ok_or_else(|| "a number of seconds, above 0 and at most a day's 86400".into())
}

/// One thing to time.
pub(crate) struct Subject {
    family: Family,
    name: String,
    /// What is different about it: shapes.
    of: String,
    kind: Kind,
}

enum Kind {
    Kernel(thalweg::op::Case),
    Update { rule: &'static str, parameters: usize },
}

/// What was measured.
pub(crate) struct Measured {
    /// Of one run; the median.
    seconds: f64,
    bytes: u64,
    flops: u64,
    /// What is wrong with the result, if something is: then it was not timed.
    wrong: Option<String>,
}

/// `Ok(false)` where a result is wrong.
pub(crate) fn run(arguments: &Arguments) -> Result<bool, CliError> {
    let began = Instant::now();
    let (device, why) = arguments.machine.open()?;
    let wanted = |family: &Family| arguments.families.is_empty() || arguments.families.contains(family);
    let subjects: Vec<Subject> = cases::all()?.into_iter().filter(|subject| wanted(&subject.family)).collect();
    if arguments.json {
        let precision = device.precision().name();
        event("start", json!({ "device": why, "precision": precision, "kernels": subjects.len() }))?;
    } else {
        line(format!("device: {why}"))?;
    }
    let roof = device.roof()?;
    say_roof(&roof, arguments.json)?;
    let end = began + Duration::from_secs_f64(arguments.seconds);
    let (mut left_out, mut wrong, mut last) = (Vec::new(), 0, None);
    for (n, subject) in subjects.iter().enumerate() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            left_out.push(format!("{} of {}", subject.name, subject.of));
            continue;
        }
        // Half of its share for the clock: operands and the f64 twin take time, too.
        let measured = measure(&device, subject, left / (2 * (subjects.len() - n) as u32))?;
        wrong += usize::from(measured.wrong.is_some());
        if !arguments.json && last.replace(subject.family) != Some(subject.family) {
            line(subject.family.name())?;
        }
        say(subject, &measured, &roof, arguments.json)?;
    }
    finish(&left_out, subjects.len(), began.elapsed().as_secs_f64(), arguments)?;
    Ok(wrong == 0)
}

fn measure(device: &Device, subject: &Subject, time: Duration) -> Result<Measured, CliError> {
    match &subject.kind {
        Kind::Kernel(case) => kernels::measure(device, case, time),
        Kind::Update { rule, parameters } => updates::measure(device, rule, *parameters, time),
    }
}

fn say_roof(roof: &Roof, json: bool) -> Result<(), CliError> {
    if json {
        let size = |&(bytes, rate): &(u64, f64)| json!({ "bytes": bytes, "bytes_per_second": rate });
        let copy: Vec<_> = roof.copy.iter().map(size).collect();
        let fields = json!({ "copy": copy, "bytes_per_second": roof.memory(), "flops_per_second": roof.flops });
        return event("roof", fields);
    }
    let sizes: Vec<String> =
        roof.copy.iter().map(|&(size, rate)| format!("{} GB/s at {}", billions(rate), bytes(size))).collect();
    line(format!("copy:   {}", sizes.join(", ")))?;
    line(format!("peak:   {} GFLOP/s of multiplications and additions\n", billions(roof.flops)))?;
    line(format!("{:<24} {:<38} {:>9} {:>9} {:>9} {:>7}", "kernel", "of", "time", "GB/s", "GFLOP/s", "share"))
}

fn say(subject: &Subject, measured: &Measured, roof: &Roof, json: bool) -> Result<(), CliError> {
    let Measured { seconds: time, bytes, flops, wrong } = measured;
    let launch = LaunchReport {
        phase: thalweg::device::Phase::Forward,
        name: subject.name.clone(),
        of: subject.of.clone(),
        groups: [0; 3],
        bytes: *bytes,
        flops: *flops,
    };
    let floor = launch.floor(roof);
    let reached = share(floor, *time).filter(|_| wrong.is_none());
    let rate = |count: u64| (count > 0 && *time > 0.0 && wrong.is_none()).then(|| count as f64 / time);
    if json {
        return event(
            "kernel",
            json!({
                "family": subject.family.name(), "name": subject.name, "of": subject.of,
                "seconds": wrong.is_none().then_some(time), "bytes": bytes, "flops": flops,
                "bytes_per_second": rate(*bytes), "flops_per_second": rate(*flops),
                "floor_seconds": floor, "share": reached, "wrong": wrong,
            }),
        );
    }
    let (name, of) = (cut(&format!("  {}", subject.name), 24), cut(&subject.of, 38));
    if let Some(wrong) = wrong {
        return line(format!("{name:<24} {of:<38} wrong: {wrong}"));
    }
    let said = |rate: Option<f64>| rate.map_or("–".into(), billions);
    line(format!(
        "{name:<24} {of:<38} {:>9} {:>9} {:>9} {:>7}",
        seconds(*time),
        said(rate(*bytes)),
        said(rate(*flops)),
        percent(reached)
    ))
}

fn finish(left_out: &[String], all: usize, time: f64, arguments: &Arguments) -> Result<(), CliError> {
    if arguments.json {
        let timed = all - left_out.len();
        return event("done", json!({ "kernels": timed, "left_out": left_out, "seconds": time }));
    }
    line(
        "\nEach result was held to its f64 twin before it was timed. share: of the time that the bytes, each once, and the",
    )?;
    line("operations take at the roof; what caches do for a kernel's operands may bring it above 100 %.")?;
    match left_out {
        [] => line(format!("{all} kernels in {time:.0} s")),
        some => line(format!(
            "{} of {all} kernels were left out, for lack of time: {}; `--seconds` gives more",
            some.len(),
            some.join("; ")
        )),
    }
}

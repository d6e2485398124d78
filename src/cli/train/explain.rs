//! `thalweg train --explain`: the program of a step, its floor, and with `--profile` its time.

use std::time::Duration;

use serde_json::json;
use thalweg::device::{Device, Footprint, LaunchReport, Phase, Profile, Roof};
use thalweg::train::Trainer;

use crate::cli::error::CliError;
use crate::cli::output::{event, line};
use crate::cli::quantity::{billions, bytes, cut, operations, percent, seconds, share};

/// Time that a profile takes, beside what one round of it takes.
const BUDGET: Duration = Duration::from_secs(2);

/// Launches with their floors and times.
struct Row<'a> {
    launch: &'a LaunchReport,
    floor: f64,
    time: Option<f64>,
}

/// Says what a step is made of, and trains nothing.
pub(crate) fn run(trainer: &mut Trainer, device: &Device, profiled: bool, json: bool) -> Result<(), CliError> {
    let launches = trainer.explain()?;
    let roof = device.roof()?;
    let profile = if profiled { Some(trainer.profile(BUDGET)?) } else { None };
    let time = |n: usize| profile.as_ref().and_then(|profile| profile.launches.get(n)).copied();
    let rows: Vec<Row<'_>> = (launches.iter().enumerate())
        .map(|(n, launch)| Row { floor: launch.floor(&roof), launch, time: time(n) })
        .collect();
    if json { told(&rows, &roof, trainer, profile.as_ref()) } else { printed(&rows, &roof, trainer, profile.as_ref()) }
}

/// What several launches come to.
struct Total {
    launches: usize,
    bytes: u64,
    flops: u64,
    floor: f64,
    time: Option<f64>,
}

impl Total {
    fn of<'a>(rows: impl Iterator<Item = &'a Row<'a>>) -> Self {
        let mut total = Self { launches: 0, bytes: 0, flops: 0, floor: 0.0, time: None };
        for row in rows {
            total.launches += 1;
            total.bytes += row.launch.bytes;
            total.flops += row.launch.flops;
            total.floor += row.floor;
            total.time = row.time.map(|time| time + total.time.unwrap_or(0.0));
        }
        total
    }

    fn row(&self, name: &str, profiled: bool) -> String {
        let launches = format!("{} launch{}", self.launches, if self.launches == 1 { "" } else { "es" });
        columns(name, &launches, self.bytes, self.flops, self.floor, profiled.then_some(self.time.unwrap_or(0.0)))
    }
}

fn columns(name: &str, of: &str, moved: u64, flops: u64, floor: f64, time: Option<f64>) -> String {
    let (name, of) = (cut(name, 34), cut(of, 32));
    let row = format!("{name:<34} {of:<32} {:>10} {:>8} {:>8}", bytes(moved), operations(flops), seconds(floor));
    match time {
        None => row,
        Some(time) => format!("{row} {:>9} {:>6}", seconds(time), percent(share(floor, time))),
    }
}

fn printed(rows: &[Row<'_>], roof: &Roof, trainer: &Trainer, profile: Option<&Profile>) -> Result<(), CliError> {
    let caches = roof.copy.iter().fold(0.0, |best: f64, &(_, rate)| best.max(rate));
    line(format!(
        "roof:   {} GB/s from memory, up to {} from caches, {} GFLOP/s\n",
        billions(roof.memory()),
        billions(caches),
        billions(roof.flops)
    ))?;
    let head = format!("{:<34} {:<32} {:>10} {:>8} {:>8}", "launch", "of", "bytes", "flops", "floor");
    line(if profile.is_some() { format!("{head} {:>9} {:>6}", "time", "share") } else { head })?;
    for phase in Phase::ALL {
        let own = || rows.iter().filter(|row| row.launch.phase == phase);
        if own().next().is_none() {
            continue;
        }
        line(phase.name())?;
        for row in own() {
            let LaunchReport { name, of, bytes, flops, .. } = row.launch;
            line(columns(&format!("  {name}"), of, *bytes, *flops, row.floor, row.time))?;
        }
        line(Total::of(own()).row("  together", profile.is_some()))?;
    }
    let all = Total::of(rows.iter());
    line(all.row("step", profile.is_some()))?;
    if let Some(profile) = profile {
        line(format!(
            "\ntimes:  by {}, medians of {} rounds; a step as it is trained takes {}, of which its floor is {}",
            profile.clock.name(),
            profile.rounds,
            seconds(profile.step),
            percent(share(all.floor, profile.step))
        ))?;
    }
    let held = trainer.footprint();
    let parts = parts(&held).map(|(what, count)| format!("{what} {}", bytes(count)));
    line(format!("\nmemory: {}; together {}", parts.join(", "), bytes(held.total())))?;
    line("\nfloor:  the longer of moving the bytes and computing the operations at the roof. Nothing was trained.")
}

fn told(rows: &[Row<'_>], roof: &Roof, trainer: &Trainer, profile: Option<&Profile>) -> Result<(), CliError> {
    let copy: Vec<_> =
        roof.copy.iter().map(|(bytes, rate)| json!({ "bytes": bytes, "bytes_per_second": rate })).collect();
    event("roof", json!({ "copy": copy, "bytes_per_second": roof.memory(), "flops_per_second": roof.flops }))?;
    for row in rows {
        let LaunchReport { phase, name, of, groups, bytes, flops } = row.launch;
        let mut fields = json!({
            "phase": phase.name(), "name": name, "of": of, "groups": groups, "bytes": bytes, "flops": flops,
            "floor_seconds": row.floor,
        });
        if let (Some(time), Some(fields)) = (row.time, fields.as_object_mut()) {
            fields.insert("seconds".into(), time.into());
            fields.insert("share".into(), share(row.floor, time).into());
        }
        event("launch", fields)?;
    }
    let parts = parts(&trainer.footprint()).map(|(what, count)| (format!("{what}_bytes"), count.into()));
    event("memory", serde_json::Map::from_iter(parts))?;
    let all = Total::of(rows.iter());
    let mut fields = json!({
        "launches": all.launches, "bytes": all.bytes, "flops": all.flops, "floor_seconds": all.floor,
    });
    if let (Some(profile), Some(fields)) = (profile, fields.as_object_mut()) {
        fields.insert("clock".into(), profile.clock.name().into());
        fields.insert("rounds".into(), profile.rounds.into());
        fields.insert("seconds".into(), all.time.into());
        fields.insert("step_seconds".into(), profile.step.into());
        fields.insert("share".into(), share(all.floor, profile.step).into());
    }
    event("step", fields)
}

/// Bytes on the device by what they are for.
fn parts(held: &Footprint) -> [(&'static str, u64); 6] {
    let &Footprint { parameters, gradients, states, values, data, other, .. } = held;
    [
        ("parameters", parameters),
        ("gradients", gradients),
        ("states", states),
        ("values", values),
        ("data", data),
        ("other", other),
    ]
}

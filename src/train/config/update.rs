//! What an update does beside its rule: `optimizer.state`, `[optimizer.clip]`, and three keys of `[train]`.

use std::fmt;

use super::read::{Section, unknown};
use crate::error::ConfigError;
use crate::optim::{Clip, Convention, Storage};
use crate::train::UpdateOptions;

/// The keys of `[optimizer]` that are not the rule's.
pub(super) const OPTIMIZER: &[&str] = &["groups", "clip", "state"];
/// Those of `[train]`.
pub(super) const TRAIN: [&str; 3] = ["accumulate", "average", "telemetry"];

const CLIP: &[&str] = &["value", "norm", "tensor_norm"];

pub(super) fn read(
    optimizer: &Section<'_>,
    train: &Section<'_>,
    convention: Convention,
) -> Result<UpdateOptions, ConfigError> {
    let default = UpdateOptions::default();
    let storage = match optimizer.text("state")? {
        Some(name) => Storage::find(name).map_err(|_| {
            let known = Storage::ALL.iter().map(|storage| storage.name().to_owned()).collect();
            unknown(optimizer.key("state"), "state type", name, known)
        })?,
        None => default.storage,
    };
    let clip = clip(&optimizer.section("clip", CLIP)?, optimizer.get("clip").is_some(), convention)?;
    let average = match train.number("average")? {
        Some(x) => Some(train.within("average", "in [0, 1)", x, (0.0..1.0).contains(&x) && (1.0 - x) as f32 > 0.0)?),
        None => None,
    };
    let telemetry = train.count("telemetry", 0)?.map_or(default.telemetry, |n| n as u64);
    let accumulate = train.count("accumulate", 1)?.unwrap_or(default.accumulate);
    Ok(UpdateOptions { storage, clip, accumulate, average, telemetry })
}

fn clip(section: &Section<'_>, given: bool, convention: Convention) -> Result<Option<Clip>, ConfigError> {
    // PyTorch alone adds to the norm it divides by.
    let epsilon = if convention == Convention::PyTorch { 1e-6 } else { 0.0 };
    let mut found: Option<(&str, Clip)> = None;
    for &key in CLIP {
        let Some(maximum) = section.number(key)? else { continue };
        if let Some((other, _)) = found {
            let (key, range) = (section.key(key), format!("left out beside `{other}`: gradients are cut in one way"));
            return Err(ConfigError::Range { key, range, found: maximum.to_string() });
        }
        let range = "a positive normal number of f32, 1.2e-38 to 3.4e38";
        let maximum = section.within(key, range, maximum, maximum > 0.0 && (maximum as f32).is_normal())?;
        let clip = match key {
            "value" => Clip::Value(maximum),
            "norm" => Clip::Norm { maximum, epsilon },
            _ => Clip::TensorNorm { maximum, epsilon },
        };
        found = Some((key, clip));
    }
    if given && found.is_none() {
        let (key, expected) = (section.key("norm"), "the norm to clip to (or `value`, or `tensor_norm`)".into());
        return Err(ConfigError::Missing { key, expected });
    }
    Ok(found.map(|(_, clip)| clip))
}

/// The line of `[optimizer]`.
pub(super) fn write_state(f: &mut fmt::Formatter<'_>, update: &UpdateOptions) -> fmt::Result {
    writeln!(f, "state = \"{}\"", update.storage.name())
}

/// `[optimizer.clip]`.
pub(super) fn write_clip(f: &mut fmt::Formatter<'_>, update: &UpdateOptions) -> fmt::Result {
    let Some(clip) = update.clip else { return Ok(()) };
    let key = match clip {
        Clip::Value(_) => "value",
        Clip::Norm { .. } => "norm",
        Clip::TensorNorm { .. } => "tensor_norm",
    };
    writeln!(f, "\n[optimizer.clip]\n{key} = {:?}", clip.maximum())
}

/// The lines of `[train]`.
pub(super) fn write_train(f: &mut fmt::Formatter<'_>, update: &UpdateOptions) -> fmt::Result {
    writeln!(f, "accumulate = {}", update.accumulate)?;
    if let Some(decay) = update.average {
        writeln!(f, "average = {decay:?}")?;
    }
    writeln!(f, "telemetry = {}", update.telemetry)
}

//! What a plateau has seen, among a checkpoint's scalars.

use std::path::Path;

use crate::error::CheckpointError;
use crate::schedule::Watch;
use crate::train::checkpoint::Checkpoint;

const BEST: &str = "plateau_best";
const WAITED: &str = "plateau_waited";
const COOLING: &str = "plateau_cooling";
const CUTS: &str = "plateau_cuts";

/// Nothing where nothing was seen yet, as under every other schedule.
pub(super) fn write(watch: &Watch) -> Vec<(&'static str, f64)> {
    if *watch == Watch::default() {
        return Vec::new();
    }
    let Watch { best, waited, cooling, cuts } = *watch;
    vec![(BEST, best), (WAITED, waited as f64), (COOLING, cooling as f64), (CUTS, f64::from(cuts))]
}

/// What [`write`] wrote; where it wrote nothing, a plateau begins there.
pub(super) fn read(from: &Checkpoint, path: &Path) -> Result<Watch, CheckpointError> {
    let wrong = |what: &'static str, found: f64, expected: &str| CheckpointError::Inconsistent {
        path: path.into(),
        what,
        found: found.to_string(),
        expected: expected.into(),
    };
    let best = from.scalars.get(BEST).copied().unwrap_or(f64::INFINITY);
    if best.is_nan() {
        return Err(wrong(BEST, best, "a loss"));
    }
    let count = |what: &'static str, most: f64| match from.scalars.get(what).copied().unwrap_or(0.0) {
        found if found >= 0.0 && found <= most && found.fract() == 0.0 => Ok(found),
        found => Err(wrong(what, found, &format!("a whole number from 0 to {most}"))),
    };
    // Whole numbers that f64 holds, and that go on being counted.
    let epochs = f64::from(u32::MAX);
    let (waited, cooling) = (count(WAITED, epochs)? as u64, count(COOLING, epochs)? as u64);
    Ok(Watch { best, waited, cooling, cuts: count(CUTS, epochs)? as u32 })
}

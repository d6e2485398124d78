//! Choosing for one class: each variant is checked against the twin, and those that pass are timed in turn.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::DEFAULT;
use super::file::ClassTiming;
use super::offer::Offer;
use super::trial::{Operands, Twin};
use crate::device::gpu::Gpu;
use crate::device::gpu::compile::Dispatch;
use crate::error::DeviceError;
use crate::graph::Meta;
use crate::kernel::Launches;

/// What a check may cost: some 10⁷ multiplications and additions of the twin.
const CHECKED: u64 = 1 << 25;
/// Most bytes of operands that are timed.
const BYTES: u64 = 1 << 28;
/// One run of the default that is timed takes about this at most, and one measurement about this at least.
const RUN: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(2)];
/// Most repetitions of a measurement.
const REPEATED: u32 = 1024;
/// Measurements of each variant: at least, and at most.
const ROUNDS: [usize; 2] = [3, 9];
/// How long the rounds above the least ones may take.
const ENOUGH: Duration = Duration::from_millis(250);
/// A variant that takes so many times the best one's time after the least rounds is measured no more.
const HOPELESS: f64 = 1.5;
/// What a variant's least time may be of the default's to be taken instead, and the share of the rounds that it must win: less
/// than that could be noise.
const BETTER: f64 = 0.97;
const ROUNDS_WON: f64 = 0.75;

/// A way to launch the op that is still in the running.
struct Candidate {
    label: &'static str,
    variant: Option<&'static str>,
    dispatches: Vec<Dispatch>,
    repeated: u32,
    /// Seconds of one run in each round.
    rounds: Vec<f64>,
}

impl Candidate {
    /// The least time.
    fn best(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Whether it is faster than another by more than noise.
    fn beats(&self, other: &Self) -> bool {
        let met = self.rounds.len().min(other.rounds.len());
        let won = self.rounds.iter().zip(&other.rounds).filter(|(mine, others)| mine < others).count();
        self.best() < BETTER * other.best() && won as f64 >= ROUNDS_WON * met as f64
    }
}

/// What came of a class.
pub(super) enum Outcome {
    Chosen(ClassTiming),
    /// Time or memory was short: it can be tried again.
    Left(String),
}

/// Checks and times the variants of an offer until `deadline`.
pub(super) fn choose(gpu: &Gpu, offer: &Offer, deadline: Instant) -> Result<Outcome, DeviceError> {
    let mut found = ClassTiming { variant: DEFAULT.into(), kernels: offer.kernels(gpu), ..ClassTiming::default() };
    if let Some(why) = offer.unfit() {
        return Ok(Outcome::Left(why.into()));
    }
    match attempt(gpu, offer, deadline, &mut found) {
        Ok(None) => Ok(Outcome::Chosen(found)),
        Ok(Some(why)) => Ok(Outcome::Left(why)),
        Err(error) => trouble(gpu, error).map(Outcome::Left),
    }
}

/// What an error says of the class alone; one that leaves the device useless goes on.
fn trouble(gpu: &Gpu, error: DeviceError) -> Result<String, DeviceError> {
    gpu.health()?;
    match error {
        DeviceError::Lost { .. } | DeviceError::Hang { .. } | DeviceError::Unproved { .. } => Err(error),
        other => Ok(other.to_string()),
    }
}

const SPENT: &str = "the time for tuning was spent";

/// Fills `found`, or says why nothing was found.
fn attempt(
    gpu: &Gpu,
    offer: &Offer,
    deadline: Instant,
    found: &mut ClassTiming,
) -> Result<Option<String>, DeviceError> {
    let spent = || Instant::now() >= deadline;
    let Some(inputs) = offer.within(gpu, CHECKED) else {
        return Ok(Some("it is too large to be checked, and cannot be made smaller".into()));
    };
    let twin = Twin::new(gpu, offer, inputs)?;
    let ragged = offer.ragged(gpu, &twin.inputs).map(|inputs| Twin::new(gpu, offer, inputs)).transpose()?;
    let usual = launches(gpu, offer, &offer.inputs, None)?;
    let mut running: Vec<(&'static str, Option<&'static str>)> = Vec::new();
    let mut pace = None;
    for (label, variant) in candidates(offer) {
        if spent() {
            return Ok(Some(SPENT.into()));
        }
        // What the op does by default has a name as well.
        if variant.is_some() && launches(gpu, offer, &offer.inputs, variant).is_ok_and(|l| l == usual) {
            continue;
        }
        match check(gpu, offer, variant, &twin, ragged.as_ref())? {
            Ok(time) => {
                running.push((label, variant));
                pace = Some(pace.unwrap_or(time).min(time));
            }
            Err(why) => drop(found.refused.insert(label.into(), why)),
        }
    }
    let Some(pace) = pace else {
        // A kernel that is known to be wrong is not trained with.
        let why = found.refused.get(DEFAULT).cloned().unwrap_or_default();
        return Err(DeviceError::Unproved { kernel: offer.class.clone(), message: why });
    };
    if let [(label, _)] = running[..] {
        found.variant = label.into();
        return Ok(None);
    }
    let Some(inputs) = timed_inputs(gpu, offer, &twin.inputs, pace) else {
        return Ok(Some("it takes too long to be timed, and cannot be made smaller".into()));
    };
    let len = offer.op.output(&inputs)?.shape.elements();
    let operands = Operands::filled(gpu, &inputs, len)?;
    let mut racing = Vec::new();
    for (label, variant) in running {
        let dispatches = operands.prepare(launches(gpu, offer, &inputs, variant)?)?;
        // The first run may wait for the compiler.
        operands.time(&dispatches, 1)?;
        let repeated = repetitions(&operands, &dispatches)?;
        racing.push(Candidate { label, variant, dispatches, repeated, rounds: Vec::new() });
        if spent() {
            return Ok(Some(SPENT.into()));
        }
    }
    if !race(&operands, &mut racing, deadline)? {
        return Ok(Some(SPENT.into()));
    }
    found.milliseconds = racing.iter().map(|c| (c.label.to_owned(), c.best() * 1e3)).collect::<BTreeMap<_, _>>();
    found.variant = winner(&racing).to_owned();
    Ok(None)
}

/// The default, and each variant by its name.
fn candidates(offer: &Offer) -> impl Iterator<Item = (&'static str, Option<&'static str>)> + '_ {
    std::iter::once((DEFAULT, None)).chain(offer.names.iter().map(|&name| (name, Some(name))))
}

fn launches(gpu: &Gpu, offer: &Offer, inputs: &[Meta], variant: Option<&'static str>) -> Result<Launches, DeviceError> {
    Ok(offer.op.launches(&offer.plan(gpu, inputs, variant)?)?)
}

/// The time of one run of a variant that agrees with both twins, else why it is refused.
fn check(
    gpu: &Gpu,
    offer: &Offer,
    variant: Option<&'static str>,
    twin: &Twin,
    ragged: Option<&Twin>,
) -> Result<Result<Duration, String>, DeviceError> {
    let held = |twin: &Twin| match twin.check(offer, variant) {
        Ok(said) => Ok(said),
        // The compiler's refusal is the variant's fault; a lack of memory is not.
        Err(error @ (DeviceError::OutOfMemory { .. } | DeviceError::HostMemory { .. })) => Err(error),
        Err(error) => trouble(gpu, error).map(Err),
    };
    let time = match held(twin)? {
        Ok(time) => time,
        Err(why) => return Ok(Err(why)),
    };
    let there = |inputs: &[Meta]| variant.is_none_or(|name| offer.offers(gpu, inputs, name));
    if let Some(ragged) = ragged.filter(|ragged| there(&ragged.inputs))
        && let Err(why) = held(ragged)?
    {
        return Ok(Err(why));
    }
    Ok(Ok(time))
}

/// The operands that are timed: those of the graph, or as much of them as is run soon enough. `pace` is the time of the fastest
/// variant over the operands that were checked.
fn timed_inputs(gpu: &Gpu, offer: &Offer, checked: &[Meta], pace: Duration) -> Option<Vec<Meta>> {
    let unit = offer.cost_of(gpu, checked)?.max(1) as f64;
    let affordable = unit * (RUN[0].as_secs_f64() / pace.as_secs_f64().max(1e-9));
    let held = offer.cost as f64 * (BYTES as f64 / offer.bytes().max(1) as f64);
    // What was checked has been made small enough already.
    offer.within(gpu, affordable.min(held).max(unit) as u64)
}

/// How often a measurement repeats a run.
fn repetitions(operands: &Operands, dispatches: &[Dispatch]) -> Result<u32, DeviceError> {
    let mut one = operands.time(dispatches, 1)?;
    if one < RUN[1] {
        // What surrounds a submission is no part of a run.
        one = operands.time(dispatches, 16)?;
    }
    let times = RUN[1].as_secs_f64() / one.as_secs_f64().max(1e-9);
    Ok((times.ceil() as u32).clamp(1, REPEATED))
}

/// Measures all in turn, round after round, so that what slows the machine for a while slows all. Whether there was time for
/// enough rounds.
fn race(operands: &Operands, racing: &mut [Candidate], deadline: Instant) -> Result<bool, DeviceError> {
    let began = Instant::now();
    for round in 0..ROUNDS[1] {
        if round >= ROUNDS[0] && began.elapsed() >= ENOUGH {
            break;
        }
        if Instant::now() >= deadline {
            return Ok(round >= ROUNDS[0]);
        }
        let best = racing.iter().map(Candidate::best).fold(f64::INFINITY, f64::min);
        for candidate in racing.iter_mut() {
            let hopeless = candidate.best() > HOPELESS * best;
            // The default is what the others are held against.
            if round >= ROUNDS[0] && hopeless && candidate.variant.is_some() {
                continue;
            }
            let time = operands.time(&candidate.dispatches, candidate.repeated)?;
            candidate.rounds.push(time.as_secs_f64());
        }
    }
    Ok(true)
}

/// The fastest of those that beat the default; the default where none does.
fn winner(racing: &[Candidate]) -> &'static str {
    let usual = racing.iter().find(|c| c.variant.is_none());
    let beating = racing.iter().filter(|c| usual.is_none_or(|usual| c.beats(usual)));
    beating.min_by(|a, b| a.best().total_cmp(&b.best())).map_or(DEFAULT, |best| best.label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn won(times: &[(&'static str, &[f64])]) -> &'static str {
        let candidate = |&(label, rounds): &(&'static str, &[f64])| {
            let variant = (label != DEFAULT).then_some(label);
            Candidate { label, variant, dispatches: Vec::new(), repeated: 1, rounds: rounds.to_vec() }
        };
        winner(&times.iter().map(candidate).collect::<Vec<_>>())
    }

    #[test]
    fn the_default_wins_ties_and_what_noise_could_be() {
        let usual = (DEFAULT, &[1.0, 1.1, 1.2][..]);
        assert_eq!(won(&[usual, ("a", &[1.0, 1.0, 1.0])]), DEFAULT);
        assert_eq!(won(&[usual, ("a", &[0.975, 0.975, 0.975])]), DEFAULT);
        assert_eq!(won(&[usual, ("a", &[0.96, 0.96, 0.96])]), "a");
        // Faster once, and slower in one round of three.
        assert_eq!(won(&[usual, ("a", &[0.5, 0.6, 1.3])]), DEFAULT);
        assert_eq!(won(&[usual, ("a", &[0.5, 0.5, 0.5]), ("b", &[0.4, 0.6, 0.6]), ("c", &[2.0, 2.0, 2.0])]), "b");
        // What was given up counts by the rounds that it was in.
        assert_eq!(won(&[(DEFAULT, &[1.0; 9]), ("a", &[0.5; 3])]), "a");
        // A default that failed its check is not in the race.
        assert_eq!(won(&[("a", &[0.5, 0.5, 0.5]), ("b", &[0.6, 0.6, 0.6])]), "a");
        assert_eq!(won(&[(DEFAULT, &[f64::NAN; 3]), ("a", &[f64::NAN; 3])]), DEFAULT);
    }
}

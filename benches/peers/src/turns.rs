//! Rounds in which each entrant has its turn.

use std::time::Instant;

use crate::Fallible;
use crate::support::{Contender, Lap, median};
use crate::workload::Workload;

/// Steps before anything is timed, and the most of them: kernels are compiled, tuned and fused meanwhile.
const WARM: std::ops::Range<usize> = 12..60;
/// A step is taken to be warm where the middle of five is within this factor of the fastest.
const STEADY: f64 = 1.25;
/// Most steps from one wait to the next, and most waits of a turn.
const LONGEST: f64 = 4096.0;
/// Steps in which a network has to halve its loss.
const PATIENCE: usize = 400;

/// A contender with its name.
pub struct Entrant {
    name: &'static str,
    contender: Box<dyn Contender>,
    /// Seconds to make it.
    made_in: f64,
}

impl Entrant {
    pub fn new(name: &'static str, make: impl FnOnce() -> Fallible<Box<dyn Contender>>) -> Fallible<Self> {
        let start = Instant::now();
        let contender = make()?;
        Ok(Self { name, contender, made_in: start.elapsed().as_secs_f64() })
    }
}

/// One peer beside thalweg.
pub struct Row {
    pub workload: Workload,
    /// Steps from one wait to the next.
    pub steps: usize,
    pub ours: Told,
    pub peer: Told,
    /// Times of the peer over ours, of each round: middle, least, most.
    pub ratio: [f64; 3],
    /// The middle one by the time of processors, where all turns are long enough to tell.
    pub by_processor: Option<f64>,
}

/// One side of a row.
#[derive(Clone)]
pub struct Told {
    pub name: &'static str,
    /// Seconds a step: the middle of the rounds.
    pub seconds: f64,
    /// Seconds from nothing until steps take what they always take.
    pub warmed_in: f64,
    pub remark: Option<String>,
}

/// How long to go on.
pub struct Rounds {
    pub count: usize,
    /// About how many seconds a turn takes.
    pub turn: f64,
}

impl Rounds {
    /// The first entrant beside each of the others. All of them must learn what they are said to learn.
    pub fn hold(&self, workload: Workload, mut entrants: Vec<Entrant>) -> Fallible<Vec<Row>> {
        let learns = workload.task().is_some();
        let mut warm = Vec::new();
        for entrant in &mut entrants {
            warm.push(self.warm(entrant, learns)?);
        }
        let firsts: Vec<f64> = warm.iter().map(|w| w.first_loss).collect();
        if let [ours, burn, ..] = firsts[..]
            && learns
            && !((ours - burn).abs() <= 1e-3 * ours)
        {
            return Err(format!("the same weights and examples cost {ours} here and {burn} there").into());
        }
        // All wait after as many steps, those that the slowest does in a turn; the others do that several times a turn.
        let slowest = warm.iter().map(|w| w.step).fold(0.0, f64::max);
        let steps = (self.turn / slowest).clamp(1.0, LONGEST) as usize;
        let mut times = Vec::new();
        for (entrant, warm) in entrants.iter_mut().zip(&mut warm) {
            // As long as what is timed: fusion has seen it then.
            let (first, again) = (entrant.contender.lap(steps)?, entrant.contender.lap(steps)?);
            warm.seconds += (first.wall - again.wall).max(0.0);
            if learns {
                learn(entrant, warm.first_loss, again.loss)?;
            }
            times.push((self.turn / again.wall).clamp(1.0, LONGEST) as usize);
        }
        let mut laps: Vec<Vec<Lap>> = vec![Vec::new(); entrants.len()];
        for round in 0..self.count {
            for turn in 0..entrants.len() {
                let n = (round + turn) % entrants.len();
                laps[n].push(turn_of(&mut *entrants[n].contender, steps, times[n])?);
            }
        }
        let told = |n: usize| Told {
            name: entrants[n].name,
            seconds: median(laps[n].iter().map(|lap| lap.wall).collect()),
            warmed_in: warm[n].seconds,
            remark: entrants[n].contender.remark().map(str::to_owned),
        };
        let row = |n: usize| {
            let pairs = || laps[n].iter().zip(&laps[0]);
            let mut ratios: Vec<f64> = pairs().map(|(peer, ours)| peer.wall / ours.wall).collect();
            ratios.sort_by(f64::total_cmp);
            // The system counts processor time in hundredths of a second.
            let long = laps[0].iter().all(|lap| lap.cpu * (steps * times[0]) as f64 >= 0.1)
                && laps[n].iter().all(|lap| lap.cpu * (steps * times[n]) as f64 >= 0.1);
            Row {
                workload,
                steps,
                ours: told(0),
                peer: told(n),
                ratio: [median(ratios.clone()), ratios[0], ratios[ratios.len() - 1]],
                by_processor: long.then(|| median(pairs().map(|(peer, ours)| peer.cpu / ours.cpu).collect())),
            }
        };
        let rows: Vec<Row> = (1..entrants.len()).map(row).collect();
        for row in &rows {
            println!("{}", crate::page::line(row));
        }
        Ok(rows)
    }

    /// Steps, one at a time, until they take what they always take.
    fn warm(&self, entrant: &mut Entrant, learns: bool) -> Fallible<Warm> {
        let start = Instant::now();
        let mut times: Vec<f64> = Vec::new();
        let mut first_loss = f64::NAN;
        loop {
            let lap = entrant.contender.lap(1)?;
            if times.is_empty() {
                first_loss = lap.loss;
                // Who knows nothing of ten classes pays ln 10.
                if learns && !((first_loss - 10f64.ln()).abs() <= 0.5) {
                    return Err(format!("{}: the first loss is {first_loss}, not about ln 10", entrant.name).into());
                }
            }
            times.push(lap.wall);
            let recent = median(times[times.len().saturating_sub(5)..].to_vec());
            let fastest = times.iter().copied().fold(f64::INFINITY, f64::min);
            if times.len() >= WARM.end || (times.len() >= WARM.start && recent <= STEADY * fastest) {
                let steps = times.len();
                let seconds = entrant.made_in + start.elapsed().as_secs_f64() - recent * steps as f64;
                eprintln!("{}: {steps} steps to warm up in {seconds:.1} s, then {:.3} ms", entrant.name, 1e3 * recent);
                return Ok(Warm { seconds: seconds.max(0.0), step: recent, first_loss });
            }
        }
    }
}

/// What one step of a turn took.
fn turn_of(contender: &mut dyn Contender, steps: usize, times: usize) -> Fallible<Lap> {
    let mut sum = Lap { wall: 0.0, cpu: 0.0, loss: f64::NAN };
    for _ in 0..times {
        let lap = contender.lap(steps)?;
        (sum.wall, sum.cpu, sum.loss) = (sum.wall + lap.wall, sum.cpu + lap.cpu, lap.loss);
    }
    let all = (steps * times) as f64;
    Ok(Lap { wall: sum.wall / all, cpu: sum.cpu / all, ..sum })
}

struct Warm {
    seconds: f64,
    /// Seconds of one step.
    step: f64,
    first_loss: f64,
}

fn learn(entrant: &mut Entrant, first: f64, now: f64) -> Fallible<()> {
    let (mut loss, mut steps) = (now, 0);
    while !(loss < 0.5 * first) {
        if steps >= PATIENCE {
            return Err(format!("{}: the loss went from {first} to {loss}", entrant.name).into());
        }
        loss = entrant.contender.lap(10)?.loss;
        steps += 10;
    }
    eprintln!("{}: the loss went from {first:.4} to {loss:.4}", entrant.name);
    Ok(())
}

//! What the benches share: the adapter, timing in submissions that stay short, kernels timed side by side, and tables.

#![allow(dead_code, reason = "each bench uses its part")]

use std::time::Duration;

use criterion::Criterion;
use thalweg::device::gpu::{Gpu, Options, Prepared};
use thalweg::error::DeviceError;

/// Longest time one submission should take, so that no watchdog stirs.
const SUBMISSION: Duration = Duration::from_millis(200);

/// The adapter that `THALWEG_ADAPTER` names, or the best.
pub fn open() -> Result<Gpu, DeviceError> {
    match std::env::var("THALWEG_ADAPTER") {
        Ok(name) => Gpu::named(&name, Options::default()),
        Err(_) => Gpu::best(Options::default()),
    }
}

/// The adapter of the benches; says which. `None`, with a word about it, where there is none.
pub fn gpu() -> Option<Gpu> {
    match open() {
        Ok(gpu) => {
            let adapter = gpu.adapter();
            println!(
                "adapter: {} ({}, {}, {})",
                adapter.name,
                adapter.backend,
                adapter.kind.describe(),
                adapter.driver
            );
            Some(gpu)
        }
        Err(error) => {
            println!("no GPU benches: {error}");
            None
        }
    }
}

/// Criterion with times that let a whole file finish in minutes on a slow adapter.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args()
}

/// Whether this run is a measurement: `cargo bench` with no filter, and not `cargo test --benches`.
pub fn measuring() -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    arguments.iter().any(|a| a == "--bench") && arguments.iter().all(|a| a.starts_with("--") && a != "--list")
}

/// How often something may run in one submission.
pub fn repetitions(prepared: &Prepared) -> u32 {
    within(prepared, SUBMISSION)
}

fn within(prepared: &Prepared, submission: Duration) -> u32 {
    let once = prepared.run(1).expect("it ran before").min(prepared.run(1).expect("it ran before"));
    (submission.as_secs_f64() / once.as_secs_f64().max(1e-7)).clamp(1.0, 1000.0) as u32
}

/// Time of `times` runs, cut into submissions of at most `most`.
pub fn time(prepared: &Prepared, times: u64, most: u32) -> Duration {
    let mut left = times;
    let mut total = Duration::ZERO;
    while left > 0 {
        let now = left.min(u64::from(most)) as u32;
        total += prepared.run(now).expect("the device works");
        left -= u64::from(now);
    }
    total
}

/// Seconds a run of `a` and of `b`, and how many times longer `b` takes: medians over rounds in which both are timed, one
/// right behind the other and in turns first, because a machine's speed drifts by more than what is compared.
pub fn side_by_side(a: &Prepared, b: &Prepared) -> (f64, f64, f64) {
    in_turn(a, b, 15, SUBMISSION)
}

/// [`side_by_side`] in so many rounds of submissions of about that length.
pub fn in_turn(a: &Prepared, b: &Prepared, rounds: usize, submission: Duration) -> (f64, f64, f64) {
    let (most_a, most_b) = (within(a, submission), within(b, submission));
    let mut times: Vec<(f64, f64)> = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let one = |p: &Prepared, most: u32| time(p, u64::from(most), most).as_secs_f64() / f64::from(most);
        times.push(if round % 2 == 0 {
            let first = one(a, most_a);
            (first, one(b, most_b))
        } else {
            let first = one(b, most_b);
            (one(a, most_a), first)
        });
    }
    let of = |pick: fn(&(f64, f64)) -> f64| median(times.iter().map(pick).collect());
    (of(|t| t.0), of(|t| t.1), of(|t| t.1 / t.0))
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Numbers in [−1, 1) as f32 holds them; made once, as many as were ever asked for.
pub fn noise(count: usize, seed: u64) -> Vec<f32> {
    static MADE: std::sync::Mutex<Vec<(u64, Vec<f32>)>> = std::sync::Mutex::new(Vec::new());
    let mut made = MADE.lock().expect("no bench panics in here");
    let place = made.iter().position(|(s, _)| *s == seed).unwrap_or_else(|| {
        made.push((seed, Vec::new()));
        made.len() - 1
    });
    let (stream, held) = (thalweg::rng::Stream::new(seed, 0, 0), &mut made[place].1);
    held.extend((held.len() as u32..count as u32).map(|i| (2.0 * stream.uniform(i) - 1.0) as f32));
    held[..count].to_vec()
}

/// Prints a table with columns as wide as they need.
pub fn table(title: &str, head: &[&str], rows: &[Vec<String>]) {
    println!("\n{title}\n");
    let width = |c: usize| rows.iter().map(|r| r[c].chars().count()).chain([head[c].len()]).max().unwrap_or(0);
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().enumerate().map(|(c, cell)| format!("{cell:<0$}", width(c))).collect();
        println!("| {} |", cells.join(" | "));
    };
    line(&head.iter().map(|&h| h.to_owned()).collect::<Vec<_>>());
    line(&(0..head.len()).map(|c| "-".repeat(width(c))).collect::<Vec<_>>());
    rows.iter().for_each(|row| line(row));
}

//! thalweg's steps beside burn's (wgpu and flex) and PyTorch's: the same work on the same adapter, in rounds in which each has its
//! turn. What is compared, and what is not: README.md.

// What must fail on NaN is written `!(a <= b)`.
#![allow(clippy::neg_cmp_op_on_partial_ord, reason = "comparisons fail closed")]

mod ours;
mod page;
mod python;
mod support;
mod theirs;
mod turns;
#[path = "../../optimizers/update.rs"]
#[allow(dead_code, reason = "its bench asks for more")]
mod update;
mod workload;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use thalweg::device::gpu::{Gpu, Options};

use python::PyTorch;
use turns::{Entrant, Rounds};
use workload::Workload;

/// What can go wrong is said once and ends the run.
pub type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Place {
    Gpu,
    Cpu,
}

/// Times thalweg's steps beside those of burn and PyTorch.
#[derive(Parser)]
struct Arguments {
    /// Which workloads, separated by commas; all by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    workloads: Vec<Workload>,
    /// On the GPU, the CPU, or (by default) both.
    #[arg(long, value_enum, value_delimiter = ',')]
    places: Vec<Place>,
    /// Rounds in which each has its turn.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// About how many seconds a turn takes.
    #[arg(long, default_value_t = 0.3)]
    turn: f64,
    /// A Python that has PyTorch: it takes part, too.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Threads of PyTorch; by default as many as there are processors.
    #[arg(long)]
    threads: Option<usize>,
    /// Put the table into benches/results/peers.md, in the place of this machine's former one.
    #[arg(long)]
    write: bool,
}

fn main() -> ExitCode {
    match compare(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Who takes part.
struct Field {
    gpu: Option<(Gpu, burn::tensor::Device)>,
    cpu: Option<burn::tensor::Device>,
    pytorch: Option<PyTorch>,
}

fn compare(arguments: &Arguments) -> Fallible<()> {
    let everywhere = arguments.places.is_empty();
    let meant = |place| everywhere || arguments.places.contains(&place);
    let processors = std::thread::available_parallelism()?.get();
    let threads = arguments.threads.unwrap_or(processors);
    let mut machine = format!("CPU with {processors} processors");
    let mut field = Field { gpu: None, cpu: meant(Place::Cpu).then(theirs::cpu), pytorch: None };
    if meant(Place::Gpu) {
        let (device, name, backend) = theirs::gpu()?;
        let gpu = Gpu::named(&name, Options::default())?;
        let own = gpu.adapter();
        println!("burn's adapter: {name} ({backend})");
        println!("thalweg's adapter: {} ({}, {})", own.name, own.backend, own.driver);
        if own.name != name || own.backend.to_string() != backend {
            return Err("these are not the same: name burn's with CUBECL_WGPU_DEFAULT_DEVICE".into());
        }
        machine = format!("{} ({}, {}), {machine}", own.name, own.backend, own.driver);
        field.gpu = Some((gpu, device));
    }
    let mut about = format!("burn {}", burn_version());
    if let Some(python) = &arguments.python {
        let found = PyTorch::start(python, threads)?;
        about += &format!(", PyTorch {} with {threads} threads", found.version);
        about += &found.card.as_ref().map_or_else(String::new, |card| format!(" and on {card}"));
        field.pytorch = Some(found);
    }
    about += &format!("; {} rounds", arguments.rounds);
    println!("{machine}\n{about}");
    let rounds = Rounds { count: arguments.rounds as usize, turn: arguments.turn };
    let chosen = if arguments.workloads.is_empty() { Workload::value_variants() } else { &arguments.workloads };
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for &workload in chosen {
        for place in [on_gpu, on_cpu] {
            // What fails or panics, in whose code ever, costs its own rows and not those of the others.
            let held = catch_unwind(AssertUnwindSafe(|| rounds.hold(workload, place(workload, &field)?)));
            match held.unwrap_or_else(|_| Err("a panic, as said above".into())) {
                Ok(more) => rows.extend(more),
                Err(error) => {
                    eprintln!("{}: {error}", workload.title());
                    failed.push(workload.name());
                }
            }
        }
    }
    let table = page::table(&rows);
    println!("\n{table}");
    if arguments.write {
        page::write(&machine, &about, &table)?;
    }
    if !failed.is_empty() {
        return Err(format!("no rows, or not all, of {}", failed.join(", ")).into());
    }
    Ok(())
}

/// From the lock file, which names what was built.
fn burn_version() -> String {
    let lock = include_str!("../Cargo.lock");
    let (_, rest) = lock.split_once("name = \"burn\"\nversion = \"").unwrap_or_default();
    let compiler = if cfg!(feature = "vulkan") { " with its SPIR-V compiler" } else { "" };
    format!("{}{compiler}", rest.split('"').next().unwrap_or_default())
}

/// thalweg first; nobody where no GPU is meant.
fn on_gpu(workload: Workload, field: &Field) -> Fallible<Vec<Entrant>> {
    let Some((gpu, device)) = &field.gpu else { return Ok(Vec::new()) };
    let (own, other) = ("thalweg gpu", "burn wgpu");
    let mut all = match (workload.task(), workload.product()) {
        (Some(task), _) => vec![
            Entrant::new(own, || ours::training(&task, Some(gpu)))?,
            Entrant::new(other, || theirs::training(&task, device))?,
        ],
        (_, Some(sides)) => vec![
            Entrant::new(own, || ours::product_on_gpu(gpu, sides))?,
            Entrant::new(other, || theirs::product(other, device, sides))?,
        ],
        _ => vec![Entrant::new(own, || ours::update(gpu))?, Entrant::new(other, || theirs::update(other, device))?],
    };
    if let Some(pytorch) = field.pytorch.as_ref().filter(|p| p.card.is_some()) {
        all.push(Entrant::new("PyTorch cuda", || Ok(pytorch.contender(&workload.name(), "cuda")))?);
    }
    Ok(all)
}

/// The same on the CPU. thalweg's CPU device does no update outside of a step, so there is nothing to compare it by.
fn on_cpu(workload: Workload, field: &Field) -> Fallible<Vec<Entrant>> {
    let Some(device) = &field.cpu else { return Ok(Vec::new()) };
    let (own, other) = ("thalweg cpu", "burn flex");
    let mut all = match (workload.task(), workload.product()) {
        (Some(task), _) => vec![
            Entrant::new(own, || ours::training(&task, None))?,
            Entrant::new(other, || theirs::training(&task, device))?,
        ],
        (_, Some(sides)) => vec![
            Entrant::new(own, || ours::product_on_cpu(sides))?,
            Entrant::new(other, || theirs::product(other, device, sides))?,
        ],
        _ => return Ok(Vec::new()),
    };
    if let Some(pytorch) = &field.pytorch {
        all.push(Entrant::new("PyTorch cpu", || Ok(pytorch.contender(&workload.name(), "cpu")))?);
    }
    Ok(all)
}

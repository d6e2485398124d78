//! The command's arguments, its exit codes, and one file for each subcommand.

mod adapters;
mod bench;
mod error;
mod eval;
mod given;
mod gradcheck;
mod machine;
mod output;
mod population;
mod predict;
mod progress;
mod quantity;
mod schedule;
mod train;
mod tune;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Trains neural networks on any Vulkan, Metal or DX12 GPU, with gradients proved in f64.
///
/// Without a subcommand it trains a small network on handwritten digits.
#[derive(Debug, Parser)]
#[command(name = "thalweg", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train the model a TOML file describes; without one, a small network on handwritten digits
    Train(train::Arguments),
    /// Say what a trained model answers to data: classes, probabilities, numbers
    Predict(predict::Arguments),
    /// Judge a trained model by data: loss, accuracy, confusion, precision and recall of each class
    Eval(eval::Arguments),
    /// Plot what a run's schedule does to learning rate and momentum
    Schedule(schedule::Arguments),
    /// Check gradients: f64 against centred differences, the GPU against f64
    Gradcheck(gradcheck::Arguments),
    /// Time this machine's kernels against what it can do at best: copies, multiplications and additions
    Bench(bench::Arguments),
    /// Time the kernels that an adapter can choose between, and show which it takes
    Tune(tune::Arguments),
    /// List the adapters, what matters of them, and which one `auto` takes
    Adapters(adapters::Arguments),
}

/// Exit codes: 0 done, 1 a check failed, 2 the input or the machine is at fault.
pub(crate) fn run() -> ExitCode {
    let command = Cli::parse().command.unwrap_or_else(|| Command::Train(train::Arguments::default()));
    let outcome = match command {
        Command::Train(arguments) => train::run(&arguments),
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Eval(arguments) => eval::run(&arguments),
        Command::Schedule(arguments) => schedule::run(&arguments),
        Command::Gradcheck(arguments) => gradcheck::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Tune(arguments) => tune::run(&arguments),
        Command::Adapters(arguments) => adapters::run(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // Whoever reads our output has had enough: not a fault.
        Err(error::CliError::Output(e)) if e.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

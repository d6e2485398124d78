//! Choosing between kernel variants: which are refused, which one is taken, what the file keeps, and that a run keeps its own.

mod support;
#[path = "tuning/toys.rs"]
mod toys;

#[path = "tuning/choice.rs"]
mod choice;
#[path = "tuning/file.rs"]
mod file;
#[path = "tuning/runs.rs"]
mod runs;

fn main() {
    let trials = choice::trials().into_iter().chain(file::trials()).chain(runs::trials()).collect();
    support::main(trials);
}

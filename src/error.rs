//! Every way the library refuses, as data: what was found, what was expected, what to do.

mod checkpoint;
mod config;
mod data;
mod device;
mod given;
mod graph;
mod optim;
mod population;
mod train;
mod tuning;

pub use checkpoint::{CheckpointError, Misshaped, Mistyped};
pub use config::ConfigError;
pub use data::{DataError, NotAnIndex};
pub use device::DeviceError;
pub use given::GivenError;
pub use graph::GraphError;
pub use optim::OptimError;
pub use population::PopulationError;
pub use train::TrainError;
pub use tuning::TuningError;

/// Any error of the library. Each room has its own type; this one holds them all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model that does not fit together.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A hyper-parameter outside its range.
    #[error(transparent)]
    Optim(#[from] OptimError),
    /// Data that cannot be read or trained on.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Weights or a run that cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A run's TOML that says something impossible.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An adapter that is missing, too small or lost.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Training that cannot go on.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A population, or groups of parameters, that do not hold together.
    #[error(transparent)]
    Population(#[from] PopulationError),
}

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A number with as many digits as are read back as the same: `3`, `0.25`, `1e300`.
pub(crate) fn number(x: f64) -> String {
    let text = format!("{x:?}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

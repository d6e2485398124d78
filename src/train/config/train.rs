//! `[train]`.

use super::read::Section;
use super::update::TRAIN;
use crate::error::ConfigError;

/// `[train]`: how long, and in what order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrainConfig {
    /// Passes over the data, from 1 to 2³² − 1; default 20.
    pub epochs: usize,
    /// Examples a step, at least 1; default 64.
    pub batch_size: usize,
    /// Of initial weights, order, dropout and augmentation; below 2⁶³, the largest whole number of TOML; default 1.
    pub seed: u64,
    /// Of the order of the rows alone; default `None`: `seed`.
    pub shuffle_seed: Option<u64>,
    /// Whether each epoch has an order of its own; default true.
    pub shuffle: bool,
    /// Whether the rows of an epoch that fill no minibatch are left out, as PyTorch's `DataLoader` names it; default false: they
    /// are trained on as a short one.
    pub drop_last: bool,
    /// How many models are trained together, from 1 to 65535; default: as many as the lists of `[population]` say, else 1.
    pub population: usize,
}

/// Workgroups along one axis at WebGPU's default limits: members are the third axis of every launch.
const MOST: usize = 65_535;

impl Default for TrainConfig {
    fn default() -> Self {
        let population = 1;
        Self { epochs: 20, batch_size: 64, seed: 1, shuffle_seed: None, shuffle: true, drop_last: false, population }
    }
}

impl TrainConfig {
    pub(super) const KEYS: &[&str] = &[
        "epochs",
        "batch_size",
        "seed",
        "shuffle_seed",
        "shuffle",
        "drop_last",
        "population",
        TRAIN[0],
        TRAIN[1],
        TRAIN[2],
    ];

    pub(super) fn read(section: &Section<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        let epochs = section.count("epochs", 1)?.unwrap_or(default.epochs);
        if u32::try_from(epochs).is_err() {
            let (key, range) = (section.key("epochs"), "at most 4294967295".into());
            return Err(ConfigError::Range { key, range, found: epochs.to_string() });
        }
        let population = section.count("population", 1)?.unwrap_or(default.population);
        let held = (1..=MOST).contains(&population);
        section.within("population", "from 1 to 65535", population as f64, held)?;
        Ok(Self {
            epochs,
            population,
            shuffle_seed: section.count("shuffle_seed", 0)?.map(|seed| seed as u64),
            batch_size: section.count("batch_size", 1)?.unwrap_or(default.batch_size),
            seed: section.count("seed", 0)?.map_or(default.seed, |seed| seed as u64),
            shuffle: section.flag("shuffle")?.unwrap_or(default.shuffle),
            drop_last: section.flag("drop_last")?.unwrap_or(default.drop_last),
        })
    }
}

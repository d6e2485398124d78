//! Unit tests for optimizers, after Schaul, Antonoglou and Silver (arXiv 1312.6055): every rule in every convention on small
//! landscapes, each with one difficulty, over a grid of learning rates. What works where is `docs/learning-rates.md`.

#[path = "landscapes/bounds.rs"]
mod bounds;
#[path = "landscapes/faulty.rs"]
mod faulty;
#[path = "landscapes/noise.rs"]
mod noise;
#[path = "landscapes/page.rs"]
mod page;
#[path = "landscapes/prototype.rs"]
mod prototype;
#[path = "landscapes/run.rs"]
mod run;
#[path = "landscapes/slopes.rs"]
mod slopes;
#[path = "landscapes/table.rs"]
mod table;

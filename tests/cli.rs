//! The built command: what it prints, what it leaves, its exit codes.

#[path = "cli/augment.rs"]
mod augment;
#[path = "cli/bad_data.rs"]
mod bad_data;
#[path = "cli/bad_input.rs"]
mod bad_input;
#[path = "cli/bad_output.rs"]
mod bad_output;
#[path = "cli/command.rs"]
mod command;
#[path = "cli/embedding.rs"]
mod embedding;
#[path = "cli/explain.rs"]
mod explain;
#[path = "cli/gradcheck.rs"]
mod gradcheck;
#[path = "cli/interchange.rs"]
mod interchange;
#[path = "cli/population.rs"]
mod population;
#[path = "cli/predict.rs"]
mod predict;
#[path = "cli/resume.rs"]
mod resume;
#[path = "cli/schedule.rs"]
mod schedule;
#[path = "cli/train.rs"]
mod train;
#[path = "cli/tune.rs"]
mod tune;
#[path = "cli/updates.rs"]
mod updates;

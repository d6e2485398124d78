//! The bar people watch; nothing where nobody does.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use thalweg::train::{EpochEvent, StepEvent};

use super::error::CliError;
use super::output::line;

pub(crate) struct Progress {
    bar: ProgressBar,
    epochs: u32,
    /// Mean of the losses lately, so that the number can be read.
    smoothed: Option<f64>,
}

impl Progress {
    pub(crate) fn new(steps: u64, done: u64, epochs: u32, hidden: bool) -> Self {
        let bar = ProgressBar::new(steps);
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} steps, {msg}, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        if hidden || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar.set_position(done);
        Self { bar, epochs, smoothed: None }
    }

    pub(crate) fn step(&mut self, step: &StepEvent) {
        let smoothed = self.smoothed.map_or(step.loss, |s| 0.95 * s + 0.05 * step.loss);
        self.smoothed = Some(smoothed);
        self.bar.set_position(step.step);
        self.bar.set_message(format!("epoch {:.2} of {}, loss {smoothed:.4}", step.epoch, self.epochs));
    }

    pub(crate) fn epoch(&mut self, e: &EpochEvent) -> Result<(), CliError> {
        let percent = |share: Option<f64>| share.map_or(String::new(), |a| format!(" accuracy {:5.2} %", 100.0 * a));
        let validation =
            e.val_loss.map_or(String::new(), |loss| format!(" | held out: loss {loss:.4}{}", percent(e.val_accuracy)));
        let penalty = e.penalty.map_or(String::new(), |p| format!(" penalty {p:.4}"));
        let text = format!(
            "epoch {:>3} of {} | training: loss {:.4}{}{penalty}{validation} | rate {:.2e} | {:.0} examples/s",
            e.epoch,
            self.epochs,
            e.train_loss,
            percent(e.train_accuracy),
            e.learning_rate,
            e.examples_per_second
        );
        self.bar.suspend(|| line(text))
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

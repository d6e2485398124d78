//! The bar people watch; nothing where nobody does.

use std::io::IsTerminal;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use thalweg::train::{Diverged, EpochEvent, StepEvent};

use super::error::CliError;
use super::output::line;
use super::population::Population;

pub(crate) struct Progress {
    bar: ProgressBar,
    epochs: u32,
    /// Loss and accuracy lately, so that the numbers can be read.
    loss: Option<f64>,
    accuracy: Option<f64>,
    /// Accuracy on the held-out part after the last epoch.
    held_out: Option<f64>,
    rows: usize,
    since: Instant,
}

impl Progress {
    pub(crate) fn new(steps: u64, done: u64, epochs: u32, hidden: bool) -> Self {
        let bar = ProgressBar::new(steps);
        let style = ProgressStyle::with_template("{bar:24} {msg}, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        if hidden || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar.set_position(done);
        let since = Instant::now();
        Self { bar, epochs, loss: None, accuracy: None, held_out: None, rows: 0, since }
    }

    pub(crate) fn step(&mut self, step: &StepEvent) {
        if step.member.is_some() {
            return self.step_of_many(step);
        }
        let smooth = |before: Option<f64>, now: f64| before.map_or(now, |s| 0.95 * s + 0.05 * now);
        let loss = smooth(self.loss, step.loss);
        self.loss = Some(loss);
        self.accuracy = step.accuracy.map(|now| smooth(self.accuracy, now));
        self.rows += step.rows;
        let percent =
            |what: &str, share: Option<f64>| share.map_or(String::new(), |a| format!(", {what} {:.1} %", 100.0 * a));
        let speed = self.rows as f64 / self.since.elapsed().as_secs_f64().max(1e-9);
        self.bar.set_message(format!(
            "epoch {:.2} of {}, loss {loss:.4}{}{}, {speed:.0} examples/s",
            step.epoch,
            self.epochs,
            percent("accuracy", self.accuracy),
            percent("held out", self.held_out),
        ));
        self.bar.set_position(step.step);
    }

    /// A step of one of several members, whose losses no one number stands for.
    fn step_of_many(&mut self, step: &StepEvent) {
        self.rows += step.rows;
        let speed = self.rows as f64 / self.since.elapsed().as_secs_f64().max(1e-9);
        let best = self.held_out.map_or(String::new(), |a| format!(", best held out {:.1} %", 100.0 * a));
        self.bar.set_message(format!("epoch {:.2} of {}{best}, {speed:.0} examples/s", step.epoch, self.epochs));
        self.bar.set_position(step.step);
    }

    /// An epoch of several members.
    pub(crate) fn population(&mut self, members: &Population, told: &[EpochEvent]) -> Result<(), CliError> {
        self.held_out = members.best().and_then(|best| best.val_accuracy);
        match members.line(told, self.epochs) {
            Some(text) => self.bar.suspend(|| line(text)),
            None => Ok(()),
        }
    }

    pub(crate) fn epoch(&mut self, e: &EpochEvent) -> Result<(), CliError> {
        self.held_out = e.val_accuracy;
        let percent = |share: Option<f64>| share.map_or(String::new(), |a| format!(" accuracy {:5.2} %", 100.0 * a));
        let validation =
            e.val_loss.map_or(String::new(), |loss| format!(" | held out: loss {loss:.4}{}", percent(e.val_accuracy)));
        let penalty = e.penalty.map_or(String::new(), |p| format!(" penalty {p:.4}"));
        let average = e
            .average_val_loss
            .map_or(String::new(), |loss| format!(" | average: loss {loss:.4}{}", percent(e.average_val_accuracy)));
        let search = e.second_order.map_or(String::new(), |report| {
            let (iterations, evaluations) = (report.iterations, report.evaluations);
            format!(" | {iterations} iterations, {evaluations} evaluations, {}", report.ended.describe())
        });
        let text = format!(
            "epoch {:>3} of {} | training: loss {:.4}{}{penalty}{validation}{average}{search} | rate {:.2e} | {:.0} examples/s",
            e.epoch,
            self.epochs,
            e.train_loss,
            percent(e.train_accuracy),
            e.learning_rate,
            e.examples_per_second
        );
        self.bar.suspend(|| line(text))
    }

    pub(crate) fn diverged(&mut self, d: &Diverged) -> Result<(), CliError> {
        let text = format!("member {} stays as it is from step {} on: {}", d.member, d.step, d.reason);
        self.bar.suspend(|| line(text))
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

//! What a population of models says, for people.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use thalweg::train::{Diverged, EpochEvent, Member, Recipe};

/// Members that have a line of their own in the table at the end.
const LISTED: usize = 16;

/// What the members of a run have said so far; a run of one model is its only member.
pub(crate) struct Population {
    size: usize,
    /// The last epoch of each.
    last: BTreeMap<usize, EpochEvent>,
    /// Of the epoch that is being told.
    told: Vec<EpochEvent>,
    gone: BTreeMap<usize, Diverged>,
}

impl Population {
    pub(crate) fn new<'a>(size: usize, gone: impl Iterator<Item = &'a Diverged>) -> Self {
        let gone = gone.map(|d| (d.member, d.clone())).collect();
        Self { size, last: BTreeMap::new(), told: Vec::new(), gone }
    }

    pub(crate) fn is_one(&self) -> bool {
        self.size == 1
    }

    /// Takes an epoch's event; gives all of that epoch once every member that goes on has told it.
    pub(crate) fn epoch(&mut self, event: &EpochEvent) -> Option<Vec<EpochEvent>> {
        self.last.insert(event.member.unwrap_or(0), *event);
        self.told.push(*event);
        let awaited = self.size - self.gone.len();
        if self.told.len() < awaited {
            return None;
        }
        let going = self.told.iter().filter(|e| !self.gone.contains_key(&e.member.unwrap_or(0))).count();
        (going >= awaited).then(|| std::mem::take(&mut self.told))
    }

    pub(crate) fn diverged(&mut self, diverged: &Diverged) {
        self.gone.insert(diverged.member, diverged.clone());
    }

    /// The last epochs of those that go on, the best first.
    fn ranked(&self) -> Vec<&EpochEvent> {
        let mut events: Vec<_> = self.last.iter().filter(|(m, _)| !self.gone.contains_key(m)).map(|(_, e)| e).collect();
        events.sort_by(|a, b| a.rank(b));
        events
    }

    /// The best member's last epoch.
    pub(crate) fn best(&self) -> Option<&EpochEvent> {
        self.ranked().first().copied()
    }

    /// What `--json` says at the end beside a run of one model's.
    pub(crate) fn result(&self) -> Value {
        let best = self.best();
        json!({
            "population": self.size, "best": best.and_then(|e| e.member), "diverged": self.gone.keys().collect::<Vec<_>>(),
        })
    }

    /// An epoch of all members in one line.
    pub(crate) fn line(&self, told: &[EpochEvent], epochs: u32) -> Option<String> {
        let best = told.iter().min_by(|a, b| a.rank(b))?;
        let percent = |share: Option<f64>| share.map_or(String::new(), |a| format!(" accuracy {:5.2} %", 100.0 * a));
        let held_out = best
            .val_loss
            .map_or(String::new(), |loss| format!(" | held out: loss {loss:.4}{}", percent(best.val_accuracy)));
        let members = match (told.len(), self.size) {
            (left, size) if left == size => format!("{size} members"),
            (left, size) => format!("{left} of {size} members"),
        };
        let speed: f64 = told.iter().map(|e| e.examples_per_second).sum();
        Some(format!(
            "epoch {:>3} of {epochs} | {members}, best {}: training: loss {:.4}{}{held_out} | rate {:.2e} | {speed:.0} examples/s",
            best.epoch,
            best.member.unwrap_or(0),
            best.train_loss,
            percent(best.train_accuracy),
            best.learning_rate,
        ))
    }

    /// The members at the end, the best first.
    pub(crate) fn table(&self, recipe: &Recipe) -> String {
        let none = Member::default();
        let own = |m: usize| numbers(recipe.members.get(m).unwrap_or(&none));
        let mut names: Vec<String> = (0..self.size).flat_map(|m| own(m).into_keys()).collect();
        names.sort_unstable();
        names.dedup();
        let mut rows = vec![["member", "seed"].map(String::from).to_vec()];
        rows[0].extend(names.iter().cloned());
        rows[0].extend(["training loss", "held-out loss", "accuracy"].map(String::from));
        let ranked = self.ranked();
        for event in ranked.iter().take(LISTED) {
            let m = event.member.unwrap_or(0);
            let own = own(m);
            let mut row = vec![m.to_string(), recipe.seed_of(m).to_string()];
            row.extend(names.iter().map(|name| own.get(name).map_or("-".into(), |x| short(*x))));
            row.push(format!("{:.4}", event.train_loss));
            row.push(event.val_loss.map_or("-".into(), |loss| format!("{loss:.4}")));
            row.push(event.val_accuracy.map_or("-".into(), |share| format!("{:.2} %", 100.0 * share)));
            rows.push(row);
        }
        let widths: Vec<usize> =
            (0..rows[0].len()).map(|c| rows.iter().map(|row| row[c].chars().count()).max().unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}")).collect::<Vec<_>>().join("  ")
        };
        let mut lines: Vec<String> = rows.iter().map(line).collect();
        if ranked.len() > LISTED {
            lines.push(format!("and {} more", ranked.len() - LISTED));
        }
        lines.extend(self.gone.values().map(|d| format!("member {} diverged at step {}", d.member, d.step)));
        lines.join("\n")
    }
}

/// What a member has of its own, by name.
fn numbers(member: &Member) -> BTreeMap<String, f64> {
    let mut all = member.optimizer.clone();
    all.extend(member.l2.map(|x| ("l2".into(), x)));
    all.extend(member.dropout.map(|x| ("dropout".into(), x)));
    all.extend(member.settings.clone());
    all
}

/// Four digits.
fn short(x: f64) -> String {
    if x == 0.0 || (1e-3..1e4).contains(&x.abs()) { format!("{:.4}", x) } else { format!("{x:.3e}") }
}

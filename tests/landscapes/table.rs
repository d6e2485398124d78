//! Every rule in every convention on every landscape, and the tables of `docs/learning-rates.md`.

use std::fmt::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use thalweg::optim::{ALL, Convention, Optimizer};

use crate::prototype::groups;
use crate::run::{GRID, Ground, Verdict, at};

/// Rules that are not arithmetic of one element, and why they have no row.
pub const LEFT_OUT: &[(&str, &str)] = &[
    (
        "adafactor",
        "its mean squares are those of a matrix's rows and columns, and its step is clipped by that of the whole tensor",
    ),
    ("muon", "it orthogonalises matrices, of which the landscapes have none; the rest it leaves to AdamW"),
];

/// As [`GRID`], in the tables.
pub const LABELS: [&str; 13] =
    ["1e-5", "3e-5", "1e-4", "3e-4", "1e-3", "3e-3", "0.01", "0.03", "0.1", "0.3", "1", "3", "10"];

/// A rule in one convention.
pub struct Row {
    pub name: &'static str,
    pub convention: Convention,
    /// For each landscape, in the order of [`groups`], the verdict at each rate of [`GRID`].
    pub verdicts: Vec<Vec<Verdict>>,
    /// Whether rounding may decide it.
    pub chaotic: Vec<Vec<bool>>,
}

impl Row {
    pub fn whose(&self) -> String {
        format!("{} ({})", self.name, self.convention)
    }

    pub fn on(&self, landscape: &str) -> &[Verdict] {
        let names = groups().into_iter().flat_map(|group| group.prototypes).map(|prototype| prototype.name);
        let index = names.into_iter().position(|name| name == landscape);
        &self.verdicts[index.unwrap_or_else(|| panic!("no landscape {landscape}"))]
    }

    /// The rates at which it gets there.
    pub fn works(&self, landscape: &str) -> Vec<f64> {
        let there = self.on(landscape).iter().zip(GRID).filter(|(verdict, _)| **verdict == Verdict::There);
        there.map(|(_, rate)| rate).collect()
    }
}

/// The rules as they are by default, in the order of [`ALL`], computed once.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(computed)
}

fn computed() -> Vec<Row> {
    let grounds: Vec<Ground> = groups().into_iter().flat_map(|group| group.prototypes).map(Ground::new).collect();
    let rules: Vec<Optimizer> = ALL
        .iter()
        .filter(|entry| LEFT_OUT.iter().all(|(name, _)| *name != entry.name))
        .flat_map(|entry| entry.conventions.iter().map(|&convention| (entry.defaults)(convention)))
        .collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(optimizer) = rules.get(next.fetch_add(1, Ordering::Relaxed)).map(|rule| (rule, rule.rule())) {
            let (optimizer, rule) = optimizer;
            let judged = grounds.iter().map(|ground| ground.all_judged(&|rate| at(optimizer, rate)));
            let (verdicts, chaotic) = judged.unzip();
            done.push(Row { name: rule.name(), convention: rule.convention(), verdicts, chaotic });
        }
        done
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut rows: Vec<Row> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker ended early")).collect()
    });
    let place =
        |row: &Row| rules.iter().position(|r| (r.rule().name(), r.rule().convention()) == (row.name, row.convention));
    rows.sort_by_key(place);
    rows
}

/// The stretches of rates that get there, and the lowest that diverges.
pub fn cell(verdicts: &[Verdict]) -> String {
    let mut parts = Vec::new();
    let mut from = None;
    for (i, &verdict) in verdicts.iter().chain([&Verdict::Elsewhere]).enumerate() {
        match (verdict == Verdict::There, from) {
            (true, None) => from = Some(i),
            (false, Some(first)) => {
                let (low, high) = (LABELS[first], LABELS[i - 1]);
                parts.push(if low == high { low.to_owned() } else { format!("{low} … {high}") });
                from = None;
            }
            _ => {}
        }
    }
    let mut text = if parts.is_empty() { "none".to_owned() } else { parts.join(", ") };
    if let Some(i) = verdicts.iter().position(|&verdict| verdict == Verdict::Diverged) {
        write!(text, "; ↑{}", LABELS[i]).expect("a string takes all");
    }
    text
}

/// What stands between the marks of the page.
pub fn page(rows: &[Row]) -> String {
    let (mut text, mut first) = (String::new(), 0);
    for group in groups() {
        let columns = first..first + group.prototypes.len();
        first = columns.end;
        writeln!(text, "### {}\n", group.title).expect("a string takes all");
        for prototype in &group.prototypes {
            writeln!(text, "- **{}**: {}", prototype.name, prototype.formula).expect("a string takes all");
        }
        let names: Vec<_> = group.prototypes.iter().map(|prototype| prototype.name).collect();
        writeln!(text, "\n| rule | convention | {} |", names.join(" | ")).expect("a string takes all");
        writeln!(text, "|---|---|{}", "---|".repeat(names.len())).expect("a string takes all");
        // Conventions that do the same share a line.
        let mut lines: Vec<(&str, Vec<String>, Vec<String>)> = Vec::new();
        for row in rows {
            let cells: Vec<_> = row.verdicts[columns.clone()].iter().map(|verdicts| cell(verdicts)).collect();
            match lines.iter_mut().find(|(name, _, same)| *name == row.name && *same == cells) {
                Some((_, conventions, _)) => conventions.push(row.convention.to_string()),
                None => lines.push((row.name, vec![row.convention.to_string()], cells)),
            }
        }
        for (name, conventions, cells) in lines {
            writeln!(text, "| `{name}` | {} | {} |", conventions.join(", "), cells.join(" | "))
                .expect("a string takes all");
        }
        text.push('\n');
    }
    let left: Vec<_> = LEFT_OUT.iter().filter(|(name, _)| ALL.iter().any(|entry| entry.name == *name)).collect();
    for (name, why) in left {
        writeln!(text, "`{name}` has no row: {why}.\n").expect("a string takes all");
    }
    text
}

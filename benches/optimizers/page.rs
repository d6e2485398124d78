//! The page of results.

use std::fmt::Write;
use std::path::Path;

use thalweg::device::gpu::Gpu;

use crate::{ROUNDS, Row};

const HEAD: &str = "# Optimizer kernels

Written by `cargo bench --bench optimizers`, each adapter's section by a run on it.

GB/s are bytes of the rule's floor a second: for each parameter the gradient read (4 bytes), the parameter read and written (8), and
each state read and written (8 in f32, 4 in f16 and bf16); with a trust ratio 12 more for its second half. The percentage is the
speed of a kernel which moves the same bytes over as many streams and computes nothing, divided into that: 100 % is the roof. Both are
timed in turn; each number is the median over the rounds. Padding (tensors begin at multiples of 64 elements) counts as time, not
as bytes. The result of every kernel is compared with the f64 rule before it is timed. Rules as PyTorch has them, or as their
last convention does. Times at 2¹⁴ parameters are those of launches, not of memory.
Muon and Adafactor take matrices whole, by graphs of the ops that `cargo bench --bench ops` times; they have no row.
";

/// Replaces the adapter's section.
pub fn write(gpu: &Gpu, tables: &[(usize, usize, Vec<Row>)], telemetry: &[(&str, usize, usize, f64)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results/optimizers.md");
    let adapter = gpu.adapter();
    let title = format!("## {} ({}, {})", adapter.name, adapter.backend, adapter.driver);
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let others: Vec<&str> = before.split("\n## ").skip(1).collect();
    let mut text = String::from(HEAD);
    for other in others.iter().filter(|other| !format!("## {other}").starts_with(&title)) {
        let _ = write!(text, "\n## {}", other.trim_end_matches('\n'));
        text.push('\n');
    }
    let _ = write!(text, "\n{title}\n\n{ROUNDS} rounds.\n");
    for (size, tensors, rows) in tables {
        let _ = write!(text, "\n### 2{} parameters, {}\n\n", superscript(size.ilog2()), count(*tensors));
        text.push_str("| rule | states | f32 GB/s | f16 GB/s | bf16 GB/s |\n|---|---|---|---|---|\n");
        for row in rows {
            let cell = |n: usize| {
                row.cells
                    .get(n)
                    .map_or_else(String::new, |(speed, share)| format!("{speed:.1} ({:.0} %)", 100.0 * share))
            };
            let _ = writeln!(text, "| {} | {} | {} | {} | {} |", row.rule, row.states, cell(0), cell(1), cell(2));
        }
    }
    let _ = write!(
        text,
        "\n### A step with telemetry, against one without\n\n| rule | parameters | tensors | time |\n|---|---|---|---|\n"
    );
    for (rule, size, tensors, ratio) in telemetry {
        let _ =
            writeln!(text, "| {rule} | 2{} | {tensors} | {:+.1} % |", superscript(size.ilog2()), 100.0 * (ratio - 1.0));
    }
    std::fs::write(&path, text).expect("the page can be written");
    println!("wrote {}", path.display());
}

fn count(tensors: usize) -> String {
    if tensors == 1 { "one tensor".into() } else { format!("{tensors} tensors") }
}

fn superscript(n: u32) -> String {
    n.to_string().chars().map(|c| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(c as usize - '0' as usize).unwrap_or(c)).collect()
}

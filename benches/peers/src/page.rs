//! The table, and the page of results.

use std::path::Path;

use crate::Fallible;
use crate::turns::{Row, Told};

const HEAD: &str = "# Beside others

Written by `benches/peers` with `--write`, each machine's section by a run on it. What is compared, and what is not, stands in
`benches/peers/README.md`.

Milliseconds are medians over the rounds, in which all sides have their turns; a step is forward pass, loss, backward pass and Adam's
update in f32; after so many steps the last loss is read. The ratio is the median of the rounds' own, peer over thalweg, with the least
and the most: above 1 thalweg is faster. By processor: the same by the time of all processors' threads, for adapters that are the
processor. Warm-up is what compiling, tuning and fusing took before the steps took what they always take, thalweg's and the peer's.
";

/// One line, as it goes by.
pub fn line(row: &Row) -> String {
    let [middle, least, most] = row.ratio;
    format!(
        "{}: {} {}, {} {}: {middle:.2} ({least:.2}–{most:.2})",
        row.workload.title(),
        row.ours.name,
        time(row, &row.ours),
        row.peer.name,
        time(row, &row.peer)
    )
}

fn time(row: &Row, side: &Told) -> String {
    let ms = 1e3 * side.seconds;
    let digits = if ms < 10.0 { 3 } else { 1 };
    row.workload
        .rate(side.seconds)
        .map_or_else(|| format!("{ms:.digits$} ms"), |rate| format!("{ms:.digits$} ms ({rate})"))
}

pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| workload | steps a wait | thalweg | peer | ratio | by processor | warm-up s |\n|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let [middle, least, most] = row.ratio;
        let side = |side: &Told| format!("{}: {}", side.name.trim_start_matches("thalweg "), time(row, side));
        let by_processor = row.by_processor.map_or_else(|| "–".into(), |ratio| format!("{ratio:.2}"));
        text += &format!(
            "| {} | {} | {} | {} | **{middle:.2}** ({least:.2}–{most:.2}) | {by_processor} | {:.1}, {:.1} |\n",
            row.workload.title(),
            row.steps,
            side(&row.ours),
            side(&row.peer),
            row.ours.warmed_in,
            row.peer.warmed_in
        );
    }
    for row in rows {
        if let Some(remark) = &row.peer.remark {
            text += &format!("\n{}, {}: {remark}.\n", row.peer.name, row.workload.title());
        }
    }
    text
}

/// Replaces the machine's section.
pub fn write(machine: &str, about: &str, table: &str) -> Fallible<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/peers.md");
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let mut text = String::from(HEAD);
    for other in before.split("\n## ").skip(1).filter(|other| other.lines().next() != Some(machine)) {
        text += &format!("\n## {}\n", other.trim_end_matches('\n'));
    }
    text += &format!("\n## {machine}\n\n{about}.\n\n{table}");
    std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

//! `docs/learning-rates.md` says what the code does.

use std::collections::BTreeMap;

use crate::prototype::groups;
use crate::run::Verdict;
use crate::table::{LABELS, Row, cell, page, rows};

const BEGIN: &str = "<!-- the tables: written by tests/landscapes.rs -->\n";
const END: &str = "<!-- the tables end -->\n";

/// `THALWEG_WRITE=1 cargo test --test landscapes` writes the tables anew.
#[test]
fn the_page_has_the_tables_that_the_rules_make() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/learning-rates.md");
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}")).replace("\r\n", "\n");
    let (head, rest) = text.split_once(BEGIN).expect("the page marks where its tables begin");
    let (found, tail) = rest.split_once(END).expect("the page marks where its tables end");
    let tables = format!("\n{}", page(rows()));
    if std::env::var_os("THALWEG_WRITE").is_some_and(|value| value == "1") {
        std::fs::write(path, format!("{head}{BEGIN}{tables}{END}{tail}")).unwrap_or_else(|e| panic!("{path}: {e}"));
        return;
    }
    let wrong = differences(found, &tables, rows());
    let again = "THALWEG_WRITE=1 cargo test --test landscapes writes the tables anew";
    assert!(wrong.is_empty(), "{again}:\n{}", wrong.join("\n"));
}

/// Lines of rules.
fn is_row(line: &&str) -> bool {
    line.starts_with("| `")
}

/// What is on one page and not on the other, but for what rounding decides.
fn differences(found: &str, made: &str, rows: &[Row]) -> Vec<String> {
    let others = |text: &str| text.lines().filter(|line| !is_row(line)).map(str::to_owned).collect::<Vec<_>>();
    let (other, expected) = (others(found), others(made));
    if other != expected {
        let first = other.iter().zip(&expected).find(|(a, b)| a != b);
        return vec![format!("another text: {first:?}, {} lines of {}", other.len(), expected.len())];
    }
    let cells = cells(found);
    let mut wrong = Vec::new();
    let names = groups().into_iter().flat_map(|group| group.prototypes).map(|prototype| prototype.name);
    for (column, name) in names.enumerate() {
        for row in rows {
            let (verdicts, chaotic) = (&row.verdicts[column], &row.chaotic[column]);
            let written =
                cells.get(&(row.name.to_owned(), row.convention.to_string(), column)).map_or("", String::as_str);
            if !same(written, verdicts, chaotic) {
                wrong.push(format!("{} on {name}: \"{written}\", found \"{}\"", row.whose(), cell(verdicts)));
            }
        }
    }
    let expected = rows.iter().map(|row| row.verdicts.len()).sum::<usize>();
    if cells.len() != expected {
        wrong.push(format!("{} cells, expected {expected}", cells.len()));
    }
    wrong
}

/// The cells of a page by rule, convention and landscape.
fn cells(text: &str) -> BTreeMap<(String, String, usize), String> {
    let (mut cells, mut first, mut width) = (BTreeMap::new(), 0, 0);
    for line in text.lines() {
        let columns: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if line.starts_with("| rule |") {
            first += width;
            width = columns.len() - 2;
        } else if is_row(&line) {
            for convention in columns[1].split(", ") {
                for (i, cell) in columns[2..].iter().enumerate() {
                    let key = (columns[0].trim_matches('`').to_owned(), convention.to_owned(), first + i);
                    cells.insert(key, (*cell).to_owned());
                }
            }
        }
    }
    cells
}

/// Whether a cell says these verdicts, wherever rounding does not decide them.
fn same(written: &str, verdicts: &[Verdict], chaotic: &[bool]) -> bool {
    let made = cell(verdicts);
    let (rates, diverges) = written.split_once(';').unwrap_or((written, ""));
    let place = |label: &str| LABELS.iter().position(|known| *known == label);
    let mut there = [false; LABELS.len()];
    for part in rates.split(", ").filter(|part| *part != "none") {
        let (low, high) = part.split_once(" … ").unwrap_or((part, part));
        let (Some(low), Some(high)) = (place(low), place(high)) else { return false };
        there[low..=high].fill(true);
    }
    let said = there.iter().zip(verdicts).zip(chaotic);
    diverges == made.split_once(';').map_or("", |(_, diverges)| diverges)
        && said.into_iter().all(|((there, verdict), chaotic)| *chaotic || *there == (*verdict == Verdict::There))
}

/// A page with one cell changed is another page, and a rule without its line is missed.
#[test]
fn a_changed_page_is_found() {
    let made = format!("\n{}", page(rows()));
    assert_eq!(differences(&made, &made, rows()), [""; 0]);
    let line = made.lines().find(|line| line.starts_with("| `sgd`")).expect("a line of SGD");
    for changed in [line.replacen("0.3 … 10", "0.1 … 10", 1), line.replacen("↑3", "↑1", 1), String::new()] {
        assert!(
            changed != line && !differences(&made.replacen(line, &changed, 1), &made, rows()).is_empty(),
            "{changed}"
        );
    }
    assert!(!differences(&made.replacen("Noise", "Quiet", 1), &made, rows()).is_empty());
    // Most cells are beyond the reach of rounding.
    let all: Vec<bool> = rows().iter().flat_map(|row| row.chaotic.concat()).collect();
    let chaotic = all.iter().filter(|chaotic| **chaotic).count();
    assert!(10 * chaotic < all.len(), "{chaotic} of {}", all.len());
}

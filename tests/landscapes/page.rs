//! `docs/learning-rates.md` says what the code does.

use crate::table::{page, rows};

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
    let different = found.lines().zip(tables.lines()).find(|(found, made)| found != made);
    assert!(
        found == tables,
        "the tables are not those of the rules: {different:?}; THALWEG_WRITE=1 cargo test --test landscapes writes them anew"
    );
}

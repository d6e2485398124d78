//! What README.md says, where a machine can tell: its commands, its run, its files. Its Rust runs as a doc-test.

use std::path::Path;

use thalweg::train::config::RunConfig;

const README: &str = include_str!("../README.md");

/// The code block behind a line.
fn block_behind(marker: &str) -> &'static str {
    let (_, rest) = README.split_once(marker).unwrap_or_else(|| panic!("README.md has no `{marker}`"));
    let (_, rest) = rest.split_once("```").expect("a block opens");
    let (_, rest) = rest.split_once('\n').expect("its language is named");
    rest.split_once("```").expect("the block closes").0
}

/// `.ci/run` reads the second from here; what a stranger is told is what is run.
#[test]
fn the_two_commands_are_marked() {
    assert_eq!(block_behind("<!-- command: train -->").trim(), "cargo run --release");
    assert_eq!(block_behind("<!-- command: tests -->").trim(), "cargo test");
}

#[test]
fn the_run_can_be_read() {
    let run =
        RunConfig::parse(block_behind("<!-- a run that tests/readme.rs reads -->"), &[]).expect("the README's run");
    assert_eq!(run.model.layers.len(), 5);
}

/// The comments of the run name what there is, neither less nor more.
#[test]
fn the_run_names_what_there_is() {
    let run = block_behind("<!-- a run that tests/readme.rs reads -->");
    let said = |key: &str| -> Vec<&str> {
        let line = run.lines().rev().find(|l| l.starts_with(key)).unwrap_or_else(|| panic!("no line `{key}`"));
        line.split_once('#').expect("a comment").1.split_whitespace().collect()
    };
    let names: Vec<&str> = thalweg::optim::ALL.iter().map(|entry| entry.name).collect();
    assert_eq!(said("name = \"adam\""), names);
    let names: Vec<&str> = thalweg::schedule::ALL.iter().map(|entry| entry.name).collect();
    assert_eq!(said("name = \"step\""), names);
    let losses = said("loss =").join(" ");
    for loss in thalweg::loss::Loss::ALL {
        assert!(run.contains(loss.name()), "the loss {} is not in `{losses}`", loss.name());
    }
}

#[test]
fn the_files_it_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            assert!(root.join(link).exists(), "{page} links to {link}, which is not there");
        }
        let quoted = text.split('`').skip(1).step_by(2);
        let roots = ["src/", "shaders/", "tests/", "benches/", "examples/", ".ci/"];
        for path in quoted.filter(|q| roots.iter().any(|r| q.starts_with(r)) && !q.contains(['*', '…', '<', ' '])) {
            assert!(path.contains("/x.") || root.join(path).exists(), "{page} names {path}, which is not there");
        }
    }
}

/// `docs/learning-notes.md` points from each line of the notes to a function and a test: both are there.
#[test]
fn the_notes_point_to_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = include_str!("../docs/learning-notes.md");
    let named: Vec<_> = page.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.split_once("::")).collect();
    assert!(named.len() > 40, "only {} pointers", named.len());
    for (file, function) in named {
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(text.contains(&format!("fn {function}")), "{file} has no `fn {function}`");
    }
    for line in (1..=12).map(|n| format!("| G{n} |")).chain((1..=6).map(|n| format!("| U{n} |"))) {
        assert!(page.contains(&line), "the page has no line `{line}`");
    }
}

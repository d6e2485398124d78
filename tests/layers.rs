//! The law of the rooms, read off the sources: a room uses rooms of lower rows, wgpu and `unsafe` stay where they are
//! allowed, the command uses the public API, files fit in one look.

#[path = "layers/source.rs"]
mod source;

use source::{Source, code, crate_paths, words};

/// The rows, lowest first. A room may use those below its own; rooms of one row do not know each other unless
/// [`BESIDE`] says so.
const ROWS: &[&[&str]] = &[
    &["error", "shape", "scalar", "rng"],
    &["kernel"],
    &["graph"],
    &["op", "loss"],
    &["optim", "schedule"],
    &["device"],
    &["nn", "check", "data"],
    &["train"],
    &["monitor", "search", "ensemble"],
    &["cli", "main"],
];

/// Uses within a row that are meant: `(user, used)`. Pure rooms speak each other's types; a loss is an op with a target;
/// the gradient checker takes models and their data.
const BESIDE: &[(&str, &str)] = &[
    ("error", "shape"),
    ("shape", "error"),
    ("loss", "op"),
    ("check", "nn"),
    ("check", "data"),
    ("monitor", "search"),
    ("cli", "main"),
    ("main", "cli"),
];

/// Uses of a lower row that are refused all the same: update rules know no loss, and a schedule is a function of the step.
const NEVER: &[(&str, &str)] = &[
    ("optim", "loss"),
    ("schedule", "graph"),
    ("schedule", "kernel"),
    ("schedule", "op"),
    ("schedule", "loss"),
    ("schedule", "optim"),
];

/// What the crate page (`lib.rs`) puts at the root, and whose it is.
const AT_THE_ROOT: &[(&str, &str)] = &[
    ("Device", "device"),
    ("Error", "error"),
    ("Result", "error"),
    ("Graph", "graph"),
    ("NodeId", "graph"),
    ("Scalar", "scalar"),
    ("Sequential", "nn"),
    ("Shape", "shape"),
    ("Event", "train"),
    ("Flow", "train"),
    ("Recipe", "train"),
    ("Trainer", "train"),
];

fn row(room: &str) -> Option<usize> {
    ROWS.iter().position(|rooms| rooms.contains(&room))
}

/// What is wrong with one file, as `line: why`.
fn violations(source: &Source) -> Vec<String> {
    let room = source.room();
    if room == "lib" {
        return Vec::new();
    }
    let Some(own) = row(room) else {
        return vec![format!("1: the room `{room}` has no row: give it one in tests/layers.rs")];
    };
    let code = code(&source.text);
    let mut wrong = Vec::new();
    for (line, path) in crate_paths(&code) {
        let used = AT_THE_ROOT.iter().find(|(name, _)| *name == path).map_or(path.as_str(), |(_, room)| room);
        if used == room {
            continue;
        }
        let Some(other) = row(used) else {
            wrong.push(format!("{line}: `crate::{path}` is in no room that tests/layers.rs knows"));
            continue;
        };
        let pair = (room, used);
        if NEVER.contains(&pair) {
            wrong.push(format!("{line}: `{room}` must not know `{used}`"));
        } else if other >= own && !BESIDE.contains(&pair) {
            wrong.push(format!("{line}: `{room}` (row {own}) uses `{used}` (row {other})"));
        }
    }
    let at = |word: &str| words(&code).filter(|(_, w)| *w == word).map(|(line, _)| line).collect::<Vec<_>>();
    let path = source.path.as_str();
    if !(path == "device/gpu.rs" || path.starts_with("device/gpu/")) {
        wrong.extend(at("wgpu").iter().map(|line| format!("{line}: wgpu is named outside of device/gpu")));
    }
    if path != "device/gpu/trusted.rs" {
        wrong.extend(at("unsafe").iter().map(|line| format!("{line}: `unsafe` outside of device/gpu/trusted.rs")));
    }
    if ["cli", "main"].contains(&room) {
        let inner = crate_paths(&code).into_iter().filter(|(_, path)| path != "cli");
        wrong.extend(inner.map(|(line, path)| format!("{line}: the command uses `crate::{path}`, not the public API")));
    }
    for unfinished in ["todo", "unimplemented", "dbg"] {
        let macros = at(unfinished)
            .into_iter()
            .filter(|line| code.lines().nth(line - 1).is_some_and(|text| text.contains(&format!("{unfinished}!"))));
        wrong.extend(macros.map(|line| format!("{line}: `{unfinished}!`")));
    }
    wrong
}

#[test]
fn every_room_uses_lower_rooms_only() {
    let wrong: Vec<String> = Source::all("src", "rs")
        .iter()
        .flat_map(|file| violations(file).into_iter().map(|why| format!("src/{}:{why}", file.path)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    let marks = ["TODO", "FIXME", "XXX", "HACK"];
    let files = [Source::all("src", "rs"), Source::all("shaders", "wgsl")].concat();
    let found: Vec<String> = files
        .iter()
        .flat_map(|file| words(&file.text).map(move |(line, word)| (file, line, word.to_owned())))
        .filter(|(_, _, word)| marks.contains(&word.as_str()))
        .map(|(file, line, word)| format!("{}:{line}: {word}", file.path))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn files_fit_in_one_look() {
    let long = |files: Vec<Source>, most: usize| {
        files
            .into_iter()
            .map(|file| (file.text.lines().count(), file.path))
            .filter(|(lines, _)| *lines > most)
            .map(|(lines, path)| format!("{path}: {lines} lines, at most {most}"))
            .collect::<Vec<_>>()
    };
    let mut all = long(Source::all("src", "rs"), 400);
    all.extend(long(Source::all("shaders", "wgsl"), 130));
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// Every shader is some file's: none lies about unused, and each mirrors a room of `src`.
#[test]
fn every_shader_is_linked_by_a_source() {
    let sources = Source::all("src", "rs");
    let shaders = Source::all("shaders", "wgsl");
    let unused: Vec<&str> = shaders
        .iter()
        .map(|shader| shader.path.trim_end_matches(".wgsl"))
        .filter(|name| !sources.iter().any(|file| file.text.contains(&format!("\"{name}\""))))
        .collect();
    assert!(unused.is_empty(), "no wgsl!(…) in src names {unused:?}");
    for shader in &shaders {
        let room = shader.room();
        assert!(room == "lib" || row(room).is_some(), "shaders/{} mirrors no room of src", shader.path);
    }
}

mod the_checker_itself {
    use super::*;

    fn of(path: &str, text: &str) -> Vec<String> {
        violations(&Source { path: path.into(), text: text.into() })
    }

    #[test]
    fn catches_a_use_of_a_higher_row() {
        assert_eq!(of("graph/x.rs", "\nuse crate::device::Feed;\n"), ["2: `graph` (row 2) uses `device` (row 5)"]);
        assert_eq!(of("op/x.rs", "fn f() { crate::loss::ALL; }").len(), 1);
        assert_eq!(of("nn/x.rs", "use crate::{data, train::Trainer, graph::Graph};").len(), 2);
        assert_eq!(of("nn/x.rs", "use crate::{\n    graph::{self, Op},\n    data::{Set, csv},\n};").len(), 1);
        assert_eq!(of("schedule.rs", "use crate::Graph;"), ["1: `schedule` must not know `graph`"]);
    }

    #[test]
    fn lets_lower_rows_and_the_same_room_pass() {
        assert!(
            of("loss/x.rs", "use crate::op::Case;\nuse crate::loss::Loss;\nuse crate::{Shape, kernel::wgsl};")
                .is_empty()
        );
        assert!(of("check.rs", "use crate::{nn::Model, data};").is_empty());
    }

    #[test]
    fn looks_past_comments_strings_and_tests() {
        assert!(
            of("graph.rs", "/// [x](crate::device::cpu)\n// crate::train::x\n/* wgpu /* unsafe */ todo!() */")
                .is_empty()
        );
        assert!(of("graph.rs", "const A: &str = \"crate::train::x \\\" wgpu\"; const B: char = '\"';").is_empty());
        assert!(of("graph.rs", "const A: &str = r#\"crate::train::x \" wgpu\"#;").is_empty());
        assert!(
            of("graph.rs", "fn f<'a>(x: &'a str) {}\n#[cfg(test)]\nmod tests {\n    use crate::train::x;\n}")
                .is_empty()
        );
        assert_eq!(of("graph.rs", "#[cfg(test)]\nmod tests {\n    fn f() {}\n}\nuse crate::train::x;").len(), 1);
    }

    #[test]
    fn catches_what_is_out_of_place() {
        assert_eq!(of("device/cpu.rs", "use wgpu::Device;"), ["1: wgpu is named outside of device/gpu"]);
        assert!(of("device/gpu/buffer.rs", "use wgpu::Device;").is_empty());
        assert_eq!(of("device/gpu/buffer.rs", "unsafe { }"), ["1: `unsafe` outside of device/gpu/trusted.rs"]);
        assert_eq!(
            of("main.rs", "use crate::train::Trainer;"),
            ["1: the command uses `crate::train`, not the public API"]
        );
        assert!(of("cli/train.rs", "use crate::cli::Output;\nuse thalweg::train::Trainer;").is_empty());
        assert_eq!(of("rng.rs", "fn f() { todo!() }"), ["1: `todo!`"]);
        assert_eq!(of("utils/x.rs", "").len(), 1);
    }
}

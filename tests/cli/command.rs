//! Running the command in a folder of its own.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// What the command said.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn new(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("the command speaks UTF-8");
        let said = Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) };
        assert!(!said.err.contains("panicked"), "{}", said.err);
        said
    }

    /// Its lines of JSON, each with its `event`.
    pub fn events(&self) -> Vec<(String, Value)> {
        let parse = |line: &str| {
            let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
            (value["event"].as_str().expect("every line has an event").to_owned(), value)
        };
        self.out.lines().map(parse).collect()
    }

    /// The fields of all events of a name.
    pub fn all(&self, name: &str) -> Vec<Value> {
        self.events().into_iter().filter(|(event, _)| event == name).map(|(_, value)| value).collect()
    }
}

pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
    command.current_dir(folder).args(arguments);
    // Neither what a user's machine was found to like nor the noise of this one.
    command.env("THALWEG_TUNING", "off").env("THALWEG_CACHE", folder.join("cache"));
    command
}

pub fn thalweg(folder: &Path, arguments: &[&str]) -> Said {
    Said::new(&command(folder, arguments).output().expect("the command is built"))
}

/// Runs to exit code 0.
pub fn good(folder: &Path, arguments: &[&str]) -> Said {
    let said = thalweg(folder, arguments);
    assert_eq!(said.code, Some(0), "{arguments:?}\n{}{}", said.out, said.err);
    said
}

/// Exit code 2, nothing on stdout, and every culprit named on stderr.
pub fn refused(folder: &Path, arguments: &[&str], culprits: &[&str]) -> Said {
    let said = refused_late(folder, arguments, culprits);
    assert_eq!(said.out, "", "{arguments:?}");
    said
}

/// As [`refused`], after something was said already.
pub fn refused_late(folder: &Path, arguments: &[&str], culprits: &[&str]) -> Said {
    let said = thalweg(folder, arguments);
    assert_eq!(said.code, Some(2), "{arguments:?}\n{}{}", said.out, said.err);
    for culprit in culprits {
        assert!(said.err.contains(culprit), "{arguments:?} does not name `{culprit}`: {}", said.err);
    }
    said
}

/// A folder with `points.csv` of 20 rows, three numbers and one of two classes each, and a `run.toml` that learns it.
pub fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut table = String::from("x,y,z,class\n");
    for i in 0..20_u32 {
        let (x, y, z) = (i * 7 % 11, i * 5 % 13, i * 3 % 17);
        table += &format!("{}.25,0.{y},-{z}e-1,{}\n", x % 3, u32::from(x > y));
    }
    write(&folder, "points.csv", &table);
    write(&folder, "tiny.toml", TINY);
    folder
}

pub const TINY: &str = "\
[data]
source = \"csv:points.csv\"

[model]
layers = [{ type = \"linear\", out = 5 }, { type = \"tanh\" }, { type = \"dropout\", p = 0.25 }, { type = \"linear\", out = 2 }]

[optimizer]
name = \"adam\"
learning_rate = 0.01

[train]
epochs = 2
batch_size = 3
";

pub fn write(folder: &TempDir, name: &str, text: impl AsRef<[u8]>) {
    std::fs::write(folder.path().join(name), text).expect("a temporary file");
}

pub fn read(folder: &TempDir, name: &str) -> Vec<u8> {
    std::fs::read(folder.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A file of this repository's fixtures as `npz:` source.
pub fn fixture(name: &str) -> String {
    format!("data.source=npz:{}/tests/golden/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The adapters' names; where `CI` or `THALWEG_REQUIRE_GPU` demands one, at least one.
pub fn adapters(folder: &Path) -> Vec<String> {
    let said = good(folder, &["adapters", "--json"]);
    let names = said.all("adapter").into_iter().map(|a| a["name"].as_str().expect("an adapter has a name").to_owned());
    let names: Vec<String> = names.collect();
    let demanded = |name: &&str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    if let Some(name) = ["CI", "THALWEG_REQUIRE_GPU"].iter().find(|name| demanded(name)) {
        assert!(!names.is_empty(), "no Vulkan, Metal or DX12 adapter, and {name} demands one");
    }
    names
}

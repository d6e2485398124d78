//! Folders that cannot be written, or not be gone on with.

use crate::command::{folder, good, read, refused, write};

#[test]
fn out() {
    let folder = folder();
    let train = |out: &str, culprits: &[&str]| {
        refused(folder.path(), &["train", "tiny.toml", "--device", "cpu", "--epochs", "1", "--out", out], culprits);
    };
    write(&folder, "file", "kept");
    train("file", &["cannot write `file`", "--out"]);
    train("file/run", &["cannot write `file/run`", "--out"]);
    assert_eq!(read(&folder, "file"), b"kept");
    good(folder.path(), &["train", "tiny.toml", "--device", "cpu", "--epochs", "1", "--out", "deep/er/run"]);
    let before = read(&folder, "deep/er/run/model.safetensors");
    train("deep/er/run", &["deep/er/run already holds a run", "--resume"]);
    assert_eq!(read(&folder, "deep/er/run/model.safetensors"), before);
}

/// Permissions bind everybody but root, who may write anywhere; procfs refuses root as well.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_nobody_may_write() {
    let folder = folder();
    let run = ["train", "tiny.toml", "--device", "cpu", "--out", "/proc/thalweg"];
    refused(folder.path(), &run, &["cannot write `/proc/thalweg`"]);
}

#[test]
fn resume() {
    let folder = folder();
    let path = folder.path();
    std::fs::create_dir(path.join("empty")).expect("a folder");
    refused(path, &["train", "--device", "cpu", "--resume", "empty"], &["cannot resume empty", "run.toml"]);
    refused(path, &["train", "--device", "cpu", "--resume", "absent"], &["cannot resume absent"]);
    good(path, &["train", "tiny.toml", "--device", "cpu", "--epochs", "1", "--out", "run"]);
    let resume = |arguments: &[&str], culprits: &[&str]| {
        refused(
            path,
            &[&["train", "--device", "cpu", "--epochs", "2", "--resume", "run"], arguments].concat(),
            culprits,
        );
    };
    let before = (read(&folder, "run/model.safetensors"), read(&folder, "run/run.toml"));
    resume(&["--set", "model.layers[0].out=6"], &["cannot resume run", "`[model]`"]);
    resume(&["--set", "train.batch_size=4"], &["cannot resume run", "`[train]`"]);
    resume(&["--set", "train.seed=4"], &["cannot resume run", "`[train]`"]);
    resume(&["--set", "data.validation=0.5"], &["cannot resume run", "`[data]`"]);
    resume(&["--set", "optimizer={name=\"sgd\",learning_rate=0.01}"], &["run", "adam", "sgd"]);
    resume(&["--precision", "f64"], &["run", "f32", "f64"]);
    resume(&["--out", "elsewhere"], &["`--resume run`", "--out"]);
    assert_eq!((read(&folder, "run/model.safetensors"), read(&folder, "run/run.toml")), before);
}

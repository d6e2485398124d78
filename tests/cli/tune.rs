//! `thalweg tune`, and what the other commands make of THALWEG_TUNING.

use std::path::Path;

use serde_json::Value;

use super::command::{Said, adapters, command, folder, good, refused};

#[test]
fn the_cpu_device_has_nothing_to_tune() {
    let folder = folder();
    let said = good(folder.path(), &["tune", "--device", "cpu"]);
    assert!(said.out.contains("nothing to tune"), "{}", said.out);
    let said = good(folder.path(), &["tune", "--device", "cpu", "--json"]);
    assert_eq!(said.all("done")[0]["classes"], 0);
    assert!(!folder.path().join("cache").exists());
}

#[test]
fn what_says_nothing_about_tuning_is_refused() {
    let folder = folder();
    refused(folder.path(), &["tune", "--seconds", "-1"], &["--seconds", "-1", "0.5"]);
    refused(folder.path(), &["tune", "--set", "train.batch_size=2"], &["RUN"]);
    let mut fast = command(folder.path(), &["train", "tiny.toml"]);
    let said = Said::new(&fast.env("THALWEG_TUNING", "fast").output().expect("the command is built"));
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{}", said.err);
    for word in ["THALWEG_TUNING", "`fast`", "`off`", "`cached`"] {
        assert!(said.err.contains(word), "{word}: {}", said.err);
    }
    assert!(!folder.path().join("runs").exists());
}

fn tuned(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = command(folder, arguments);
    let said = Said::new(&command.env("THALWEG_TUNING", "20").output().expect("the command is built"));
    assert_eq!(said.code, Some(0), "{arguments:?}\n{}{}", said.out, said.err);
    said
}

#[test]
fn tune_shows_its_file_and_what_it_holds() {
    let folder = folder();
    if adapters(folder.path()).is_empty() {
        return;
    }
    let file = folder.path().join("cache").join("tuning.json");
    let of = |arguments: &[&str]| {
        let all = [&["tune", "tiny.toml", "--device", "gpu", "--json"], arguments].concat();
        let said = good(folder.path(), &all);
        let (about, done) = (said.all("tune").remove(0), said.all("done").remove(0));
        assert_eq!(about["file"], file.to_str().expect("a path of UTF-8"));
        let variants: Vec<Value> = said.all("class");
        (done, variants)
    };
    let (done, shown) = of(&["--seconds", "0"]);
    assert_eq!((&done["timed"], shown.len()), (&Value::from(0), 0));
    assert!(!file.exists(), "nothing was found, and something kept");
    let (done, first) = of(&[]);
    let classes = done["classes"].clone();
    assert_eq!((&done["timed"], &done["kept"]), (&classes, &classes));
    let (done, second) = of(&[]);
    assert_eq!((&done["timed"], &first), (&Value::from(0), &second));
    let (done, _) = of(&["--rebuild"]);
    assert_eq!((&done["timed"], &done["kept"]), (&classes, &classes));
    let said = good(folder.path(), &["tune", "tiny.toml", "--device", "gpu"]);
    for class in &second {
        let class = class["class"].as_str().expect("a class has a name");
        assert!(said.out.lines().any(|line| line.starts_with(class)), "{class}: {}", said.out);
    }
}

/// With choices of its own a run goes on with the same bits, and is judged with the same bits, whatever became of the file.
#[test]
fn a_tuned_run_is_resumed_and_judged_with_the_same_bits() {
    let folder = folder();
    if adapters(folder.path()).is_empty() {
        return;
    }
    let here = folder.path();
    let train = |rest: &[&str]| tuned(here, &[&["train", "--device", "gpu", "--json"], rest].concat());
    train(&["tiny.toml", "--out", "whole"]);
    train(&["tiny.toml", "--out", "parts", "--epochs", "1"]);
    let _ = std::fs::remove_dir_all(here.join("cache"));
    let went_on = train(&["--resume", "parts", "--epochs", "2"]);
    assert!(!went_on.err.contains("not with the same bits"), "{}", went_on.err);
    let parameters =
        |run: &str| std::fs::read(here.join(run).join("model.safetensors")).expect("a run keeps its model");
    assert!(parameters("whole") == parameters("parts"));
    let _ = std::fs::remove_dir_all(here.join("cache"));
    let judged = tuned(here, &["eval", "parts", "csv:points.csv", "--device", "gpu", "--json"]);
    let last = went_on.all("epoch").pop().expect("an epoch");
    assert_eq!(judged.all("eval")[0]["loss"], last["val_loss"]);
}

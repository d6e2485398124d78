//! `thalweg tune`, and what the other commands make of THALWEG_TUNING.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::command::{Said, adapters, command, folder, good, refused, write};

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

/// A run of few classes, so that time for them is there on the slowest machine.
const ONE_LAYER: &str = "\
[data]
source = \"csv:points.csv\"

[model]
layers = [{ type = \"linear\", out = 2 }]

[train]
epochs = 1
batch_size = 4
";

/// A command with time for all its classes.
fn ample(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = command(folder, arguments);
    command.env("THALWEG_TUNING", "600");
    command
}

/// Whether the adapter has several kernels for a layer, as every one but bare software has.
fn chooses(folder: &Path) -> bool {
    let names = adapters(folder);
    if names.is_empty() {
        return false;
    }
    let said = good(folder, &["tune", "one.toml", "--device", "gpu", "--seconds", "0", "--json"]);
    let some = said.all("done")[0]["classes"] != 0;
    assert!(some || names.iter().any(|name| name.contains("SwiftShader")), "nothing to choose on {names:?}");
    some
}

fn trained(folder: &Path, to: &str) -> Said {
    let arguments = ["train", "one.toml", "--device", "gpu", "--out", to];
    let said = Said::new(&ample(folder, &arguments).output().expect("the command is built"));
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    said
}

#[test]
fn a_run_tunes_once_and_the_next_finds_its_choices() {
    let folder = folder();
    write(&folder, "one.toml", ONE_LAYER);
    if !chooses(folder.path()) {
        return;
    }
    let (here, file) = (folder.path(), folder.path().join("cache").join("tuning.json"));
    let first = trained(here, "first");
    let about = format!("kept in {}", file.display());
    let line = first.out.lines().find(|line| line.starts_with("tuned:")).unwrap_or_else(|| panic!("{}", first.out));
    assert!(line.contains(&about), "{line}");
    let kept = std::fs::read(&file).expect("what was found is kept");
    let json: Value = serde_json::from_slice(&kept).expect("the file is JSON");
    let classes = json["adapters"][0]["classes"].as_object().expect("classes by their names");
    assert!(!classes.is_empty() && classes.values().all(|class| class["variant"].is_string()), "{classes:?}");
    // As many as the line says, and as the run has.
    assert!(line.contains(&format!("{} kinds", classes.len())), "{line}");
    let shown = good(here, &["tune", "one.toml", "--device", "gpu", "--seconds", "0", "--json"]);
    assert_eq!(shown.all("done")[0]["classes"], classes.len());

    let second = trained(here, "second");
    assert!(!second.out.contains("tuned:"), "{}", second.out);
    assert!(kept == std::fs::read(&file).expect("the file stays"), "a run that found nothing out wrote the file");
    let model = |run: &str| std::fs::read(here.join(run).join("model.safetensors")).expect("a run keeps its model");
    assert!(model("first") == model("second"));
}

#[test]
fn a_bad_cache_costs_a_run_its_choices_alone() {
    let folder = folder();
    write(&folder, "one.toml", ONE_LAYER);
    if !chooses(folder.path()) {
        return;
    }
    let here = folder.path();
    let file = here.join("cache").join("tuning.json");
    std::fs::create_dir_all(here.join("cache")).expect("a folder");
    std::fs::write(&file, "{\"format\": 1, \"adap").expect("a file");
    let broken = trained(here, "broken");
    let named = |said: &Said, name: &str| said.err.lines().any(|l| l.starts_with("note:") && l.contains(name));
    assert!(named(&broken, "tuning.json") && broken.err.contains("rebuilt"), "{}", broken.err);
    let kept: Value = serde_json::from_slice(&std::fs::read(&file).expect("a file")).expect("it is rebuilt");
    assert!(kept["adapters"][0]["classes"].as_object().is_some_and(|classes| !classes.is_empty()), "{kept}");
    let after = trained(here, "after");
    assert!(!named(&after, "tuning.json") && !after.out.contains("tuned:"), "{}{}", after.out, after.err);

    // A file where the folder should be.
    let points = std::fs::read(here.join("points.csv")).expect("the data");
    let mut nowhere = ample(here, &["train", "one.toml", "--device", "gpu", "--out", "nowhere"]);
    nowhere.env("THALWEG_CACHE", here.join("points.csv"));
    let nowhere = Said::new(&nowhere.output().expect("the command is built"));
    assert_eq!(nowhere.code, Some(0), "{}{}", nowhere.out, nowhere.err);
    assert!(named(&nowhere, "points.csv") && nowhere.err.contains("THALWEG_CACHE"), "{}", nowhere.err);
    assert!(here.join("nowhere").join("model.safetensors").exists());
    assert!(points == std::fs::read(here.join("points.csv")).expect("the data stay"));
}

#[test]
fn two_that_tune_at_once_lose_nothing() {
    let folder = folder();
    write(&folder, "one.toml", ONE_LAYER);
    if !chooses(folder.path()) {
        return;
    }
    let start = |batch: &str| {
        let set = format!("train.batch_size={batch}");
        let arguments = ["tune", "one.toml", "--device", "gpu", "--seconds", "600", "--json", "--set", &set];
        command(folder.path(), &arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command is built")
    };
    let both = [start("3"), start("16")];
    let classes = both.map(|child| {
        let said = Said::new(&child.wait_with_output().expect("it ends"));
        assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
        let names = said.all("class").into_iter().map(|class| class["class"].as_str().expect("a name").to_owned());
        names.collect::<Vec<_>>()
    });
    assert!(classes[0] != classes[1]);
    let file = std::fs::read(folder.path().join("cache").join("tuning.json")).expect("it is kept");
    let file: Value = serde_json::from_slice(&file).expect("the file is JSON");
    let kept = file["adapters"][0]["classes"].as_object().expect("classes by their names");
    for class in classes.iter().flatten() {
        assert!(kept.contains_key(class), "{class} is lost: {kept:?}");
    }
}

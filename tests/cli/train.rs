//! `thalweg train` on good paths.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::command::{Said, TINY, command, fixture, folder, good, read, write};

const FILES: [&str; 4] = ["history.jsonl", "model.safetensors", "optimizer.safetensors", "run.toml"];

#[test]
fn no_arguments_at_all() {
    let folder = folder();
    let said = good(folder.path(), &[]);
    let mut found: Vec<_> = std::fs::read_dir(folder.path().join("runs/digits-1"))
        .expect("a run")
        .map(|f| f.expect("a file").file_name())
        .collect();
    found.sort();
    assert_eq!(found, FILES);
    assert!(
        said.out.contains("device: ") && said.out.contains("epoch  30 of 30") && said.out.contains("runs/digits-1"),
        "{}",
        said.out
    );
    // What README.md promises, on whatever `auto` takes here.
    assert_held_out(&folder, "runs/digits-1/history.jsonl");
    good(folder.path(), &["train", "--device", "cpu", "--epochs", "1"]);
    assert!(folder.path().join("runs/digits-2/run.toml").exists());
    good(folder.path(), &["train", "tiny.toml", "--device", "cpu"]);
    assert!(folder.path().join("runs/tiny-1/run.toml").exists());
}

/// The last of 30 epochs answers 97 % of the digits held out.
fn assert_held_out(folder: &tempfile::TempDir, history: &str) {
    let text = String::from_utf8(read(folder, history)).expect("text");
    let last: serde_json::Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["epoch"], 30);
    assert!(last["val_accuracy"].as_f64().is_some_and(|share| share >= 0.97), "{last}");
}

#[test]
fn the_default_run_on_the_cpu() {
    let folder = folder();
    good(folder.path(), &["train", "--device", "cpu", "--out", "run"]);
    assert_held_out(&folder, "run/history.jsonl");
}

fn losses(said: &Said) -> Vec<f64> {
    said.all("step").iter().map(|s| s["loss"].as_f64().expect("a loss")).collect()
}

#[test]
fn json_events() {
    let folder = folder();
    let run = ["train", "tiny.toml", "--device", "cpu", "--json", "--log-steps", "--set", "model.l2=0.01"];
    let said = good(folder.path(), &run);
    let events = said.events();
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    // 16 rows by 3: six steps, the last of one row.
    let epoch = [["step"; 6].as_slice(), &["epoch"]].concat();
    assert_eq!(names, [&["start"], &epoch[..], &epoch, &["done"]].concat());
    assert!(said.out.lines().all(|line| line.starts_with("{\"event\":")), "{}", said.out);

    let start = &said.all("start")[0];
    assert_eq!((&start["parameters"], &start["train_rows"], &start["val_rows"]), (&32.into(), &16.into(), &4.into()));
    assert!(
        start["device"].as_str().is_some_and(|d| d.contains("cpu")) && start["bytes"].as_u64().is_some_and(|b| b > 0)
    );
    for (i, step) in said.all("step").iter().enumerate() {
        assert_eq!(step["step"], i + 1);
        let (loss, data) = (step["loss"].as_f64().expect("loss"), step["data_loss"].as_f64().expect("data loss"));
        assert!(loss > data && step["learning_rate"] == 0.01, "{step}");
        let rows = (i / 6 * 16 + (i % 6 * 3 + 3).min(16)) as f64;
        assert_eq!(step["epoch"], rows / 16.0);
    }
    for (i, epoch) in said.all("epoch").iter().enumerate() {
        assert_eq!((&epoch["epoch"], &epoch["steps"]), (&(i + 1).into(), &(6 * i + 6).into()));
        for key in ["train_loss", "train_accuracy", "val_loss", "val_accuracy", "penalty", "examples_per_second"] {
            assert!(epoch[key].is_f64(), "{key}: {epoch}");
        }
    }
    let done = &said.all("done")[0];
    assert_eq!((&done["end"], &done["step"], &done["run"]), (&"done".into(), &12.into(), &"runs/tiny-1".into()));
    let history = String::from_utf8(read(&folder, "runs/tiny-1/history.jsonl")).expect("text");
    assert_eq!(history.lines().count(), 2);
}

#[test]
fn overrides() {
    let folder = folder();
    let run = ["train", "tiny.toml", "--device", "cpu", "--out", "run", "--epochs", "1", "--json", "--log-steps"];
    let said = good(
        folder.path(),
        &[&run[..], &["--set", "model.layers[0].out=7", "--set", "optimizer.learning_rate=3e-4"]].concat(),
    );
    let text = String::from_utf8(read(&folder, "run/run.toml")).expect("text");
    assert!(
        text.contains("out = 7") && text.contains("learning_rate = 0.0003") && text.contains("epochs = 1"),
        "{text}"
    );
    assert_eq!(said.all("step")[0]["learning_rate"], 3e-4);
    let huge = ["train", "tiny.toml", "--set", "train.epochs=9223372036854775807"];
    crate::command::refused(
        folder.path(),
        &huge,
        &["`train.epochs` must be at most 4294967295", "9223372036854775807"],
    );
}

#[test]
fn the_kept_toml_alone_makes_the_same_run() {
    let folder = folder();
    good(folder.path(), &["train", "tiny.toml", "--device", "cpu", "--out", "one"]);
    let elsewhere = crate::command::folder();
    std::fs::remove_file(elsewhere.path().join("points.csv")).expect("a file");
    let kept = folder.path().join("one/run.toml");
    good(elsewhere.path(), &["train", kept.to_str().expect("UTF-8"), "--device", "cpu", "--out", "two"]);
    for file in ["model.safetensors", "optimizer.safetensors", "run.toml"] {
        assert!(read(&folder, &format!("one/{file}")) == read(&elsewhere, &format!("two/{file}")), "{file} differs");
    }
}

#[test]
fn data_paths_are_relative_to_the_toml() {
    let folder = folder();
    let away = tempfile::tempdir().expect("a temporary folder");
    let toml = folder.path().join("tiny.toml");
    good(away.path(), &["train", toml.to_str().expect("UTF-8"), "--device", "cpu", "--epochs", "1"]);
    assert!(away.path().join("runs/tiny-1/model.safetensors").exists());
}

#[test]
fn npz_and_every_loss() {
    let folder = folder();
    let cases = [
        ("f64.npz", "cross_entropy", 3),
        ("u8_compressed.npz", "hinge", 3),
        ("split.npz", "cross_entropy", 5),
        ("regression.npz", "mse", 1),
        ("regression_wide.npz", "huber", 2),
        ("regression.npz", "bce_with_logits", 1),
    ];
    for (file, loss, out) in cases {
        let (data, loss) = (fixture(file), format!("model.loss=\"{loss}\""));
        let layers = format!("model.layers=[{{type='flatten'}},{{type='linear',out={out}}}]");
        let sets = ["--set", &data, "--set", &loss, "--set", &layers, "--set", "train.batch_size=2"];
        let said = good(folder.path(), &[&["train", "tiny.toml", "--device", "cpu", "--json"], &sets[..]].concat());
        assert!(said.all("epoch").iter().all(|e| e["train_loss"].is_f64()), "{}", said.out);
    }
}

#[test]
fn every_optimizer_and_the_edges_of_sizes() {
    let folder = folder();
    let train = |sets: &[&str]| {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let run = ["train", "tiny.toml", "--device", "cpu", "--epochs", "1"].into_iter().chain(sets);
        good(folder.path(), &run.collect::<Vec<_>>())
    };
    for name in ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "adamw"] {
        train(&[&format!("optimizer={{name='{name}',learning_rate=0.01}}")]);
    }
    train(&["optimizer={name='sgd',learning_rate=0.1,weight_decay=0.01}", "model.l2=0.5"]);
    train(&["train.batch_size=16"]);
    train(&["train.batch_size=20", "data.validation=0"]);
    train(&["train.batch_size=1", "train.shuffle=false"]);
    train(&["model.layers[2].p=1.0"]);
    write(&folder, "points.csv", "0.5,1\n");
    train(&["train.batch_size=1"]);
}

/// Also after a resume the header says what the weights began as.
#[test]
fn the_kept_toml_says_what_made_it() {
    let folder = folder();
    let head = |run: &str| {
        let text = String::from_utf8(read(&folder, &format!("{run}/run.toml"))).expect("text");
        text.lines().take_while(|line| line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    };
    let version = env!("CARGO_PKG_VERSION");
    good(folder.path(), &["train", "tiny.toml", "--device", "cpu", "--out", "one"]);
    assert_eq!(head("one"), [format!("# thalweg {version}; device: cpu; precision: f32")]);
    let weights = "one/model.safetensors";
    let double = ["train", "tiny.toml", "--precision", "f64", "--init", weights, "--out", "two"];
    good(folder.path(), &double);
    let expected = [format!("# thalweg {version}; device: cpu; precision: f64; init: \"{weights}\"")];
    assert_eq!(head("two"), expected);
    good(folder.path(), &["train", "--precision", "f64", "--resume", "two", "--epochs", "3"]);
    assert_eq!(head("two"), expected);
}

#[test]
fn weights_of_a_former_run() {
    let folder = folder();
    let text = TINY
        .replace("{ type = \"dropout\", p = 0.25 }, ", "")
        .replace("adam", "sgd")
        .replace("batch_size = 3", "batch_size = 16\nshuffle = false");
    write(&folder, "plain.toml", text);
    let run = |out: &str, epochs: &str, more: &[&str]| {
        let run = ["train", "plain.toml", "--device", "cpu", "--json", "--log-steps", "--out", out, "--epochs", epochs];
        losses(&good(folder.path(), &[&run[..], more].concat()))
    };
    let whole = run("whole", "3", &[]);
    assert_eq!(whole.len(), 3);
    assert_eq!(run("part", "2", &[]), whole[..2]);
    assert_eq!(run("next", "1", &["--init", "part/model.safetensors"]), whole[2..]);
}

#[test]
fn a_reader_that_leaves() {
    let folder = folder();
    for json in [&["--json", "--log-steps"][..], &[]] {
        let run = [&["train", "tiny.toml", "--device", "cpu", "--epochs", "100000"], json].concat();
        let mut child =
            command(folder.path(), &run).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("built");
        let mut first = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut first).expect("a line");
        assert!(!first.is_empty());
        let said = Said::new(&child.wait_with_output().expect("it ends"));
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    }
}

#[test]
fn on_a_gpu() {
    let folder = folder();
    if crate::command::adapters(folder.path()).is_empty() {
        eprintln!("no adapter: training on one was not tested");
        return;
    }
    let run = |out: &str| {
        let run = ["train", "tiny.toml", "--device", "gpu", "--out", out, "--json", "--log-steps"];
        good(folder.path(), &run)
    };
    let (one, two) = (run("one"), run("two"));
    // How near its numbers are to the f64 twins' is for `training_gpu.rs`, which has bounds for it; here, that they are
    // those of a run: all there, finite, and the same each time.
    let found = losses(&one);
    assert!(found.len() == 12 && found.iter().all(|loss| loss.is_finite() && *loss > 0.0), "{found:?}");
    assert_eq!(found, losses(&two));
    for file in ["model.safetensors", "optimizer.safetensors", "run.toml"] {
        assert!(read(&folder, &format!("one/{file}")) == read(&folder, &format!("two/{file}")), "{file} differs");
    }
    let start = &one.all("start")[0];
    assert_ne!(start["adapter"], "cpu");
    let made_by =
        format!("# thalweg {}; device: {}; ", env!("CARGO_PKG_VERSION"), start["adapter"].as_str().expect("text"));
    assert!(String::from_utf8_lossy(&read(&folder, "one/run.toml")).starts_with(&made_by), "{made_by}");

    // On another device it goes on, and says that it is another.
    let there = good(folder.path(), &["train", "--resume", "one", "--device", "cpu", "--epochs", "3", "--json"]);
    let note = &there.all("note")[0];
    assert_eq!((&note["before"], &note["now"]), (&start["adapter"], &"cpu".into()));
    assert!(there.err.contains("not with the same bits"), "{}", there.err);
    let toml = String::from_utf8(read(&folder, "one/run.toml")).expect("text");
    let second = toml.lines().nth(1).expect("a second line");
    assert!(
        toml.starts_with(&made_by)
            && second.starts_with("# from step 12 on: thalweg ")
            && second.contains("device: cpu;")
    );
    let same = good(folder.path(), &["train", "--resume", "one", "--device", "cpu", "--epochs", "4", "--json"]);
    assert!(same.all("note").is_empty() && same.err.is_empty(), "{}", same.err);
    assert_eq!(toml.lines().filter(|line| line.starts_with('#')).count(), 2);
}

#[test]
fn what_standardised_the_data_is_kept() {
    let folder = folder();
    write(&folder, "points.csv", "1,4,5,0\n3,4,5,1\n");
    let run = ["train", "tiny.toml", "--device", "cpu", "--set", "data.validation=0", "--set", "train.batch_size=2"];
    let said = good(folder.path(), &[&run[..], &["--out", "one", "--set", "data.standardise=true"]].concat());
    assert!(said.out.contains("standardised (2 of 3 channels constant"), "{}", said.out);
    let kept = String::from_utf8(read(&folder, "one/standardisation.json")).expect("text");
    assert_eq!(kept, "{\"mean\":[2.0,4.0,5.0],\"std\":[1.0,1.0,1.0]}\n");
    good(folder.path(), &["train", "--resume", "one", "--device", "cpu", "--epochs", "3"]);
    good(folder.path(), &[&run[..], &["--out", "two"]].concat());
    assert!(!folder.path().join("two/standardisation.json").exists());
}

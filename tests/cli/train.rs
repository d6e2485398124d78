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
    good(folder.path(), &["train", "--device", "cpu", "--epochs", "1"]);
    assert!(folder.path().join("runs/digits-2/run.toml").exists());
    good(folder.path(), &["train", "tiny.toml", "--device", "cpu"]);
    assert!(folder.path().join("runs/tiny-1/run.toml").exists());
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
    let run = |device: &str, out: &str| {
        let run = ["train", "tiny.toml", "--device", device, "--out", out, "--json", "--log-steps"];
        losses(&good(folder.path(), &run))
    };
    let (gpu, cpu) = (run("gpu", "gpu"), run("cpu", "cpu"));
    assert_eq!(gpu.len(), 12);
    // The same weights, rows and masks; only the rounding of f32 differs: ten thousand roundings of 2⁻²⁴ each.
    for (a, b) in gpu.iter().zip(&cpu) {
        assert!((a - b).abs() <= 1e4 * f64::from(f32::EPSILON) / 2.0 * b.abs(), "{gpu:?} {cpu:?}");
    }
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

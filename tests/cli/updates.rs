//! What an update does beside its rule, and states that PyTorch's optimizers saved.

use serde_json::Value;
use tempfile::TempDir;

use crate::command::{TINY, folder, good, read, refused, write};

const ALL: &str = "\
[data]
source = \"csv:points.csv\"
validation = 0.1

[model]
layers = [{ type = \"linear\", out = 5 }, { type = \"batch_norm\" }, { type = \"tanh\" }, { type = \"linear\", out = 2 }]

[optimizer]
name = \"adam\"
learning_rate = 0.05
state = \"bf16\"

[optimizer.clip]
norm = 0.5

[schedule]
name = \"inverse\"
rate = 0.1
unit = \"step\"

[train]
epochs = 3
batch_size = 3
accumulate = 4
average = 0.5
telemetry = 2
";

fn prepared() -> TempDir {
    let folder = folder();
    write(&folder, "all.toml", ALL);
    folder
}

/// Events, history, files, the way back, and the average's own numbers.
#[test]
fn all_of_it() {
    let folder = prepared();
    let train = |arguments: &[&str]| {
        good(folder.path(), &[&["train", "--device", "cpu", "--json", "--log-steps"], arguments].concat())
    };
    let whole = train(&["all.toml", "--out", "whole"]);
    // 18 rows are 6 minibatches, and those an update of 4 and one of 2.
    assert_eq!(whole.all("step").len(), 18);
    let told = whole.all("telemetry");
    assert_eq!(told.iter().map(|t| t["step"].as_u64()).collect::<Vec<_>>(), [4, 10, 16].map(Some));
    let first = &told[0]["tensors"][0];
    assert_eq!(first["tensor"], "0.weight");
    for key in ["parameters", "gradients", "update", "ratio", "largest_gradient"] {
        assert!(first[key].as_f64().is_some_and(|x| x > 0.0), "{key}: {first}");
    }
    let history = String::from_utf8(read(&folder, "whole/history.jsonl")).expect("UTF-8");
    let lines: Vec<Value> = history.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.iter().filter(|line| line.get("telemetry").is_some()).count(), 3);
    assert_eq!(lines[0]["telemetry"], told[0]["tensors"]);

    let last = &whole.all("epoch")[2];
    for (average, loss, accuracy) in
        [(true, "average_val_loss", "average_val_accuracy"), (false, "val_loss", "val_accuracy")]
    {
        let more: &[&str] = if average { &["--average"] } else { &[] };
        let eval = ["eval", "whole", "points.csv", "--device", "cpu", "--json"];
        let found = good(folder.path(), &[&eval, more].concat()).all("eval").remove(0);
        assert!(found["loss"].is_f64() && found["loss"] == last[loss], "{} is not {}", found["loss"], last[loss]);
        assert_eq!(found["accuracy"], last[accuracy]);
        good(folder.path(), &[&["predict", "whole", "points.csv", "--device", "cpu"], more].concat());
    }
    assert_ne!(last["val_loss"], last["average_val_loss"]);

    // The same run from the TOML it kept, and in two parts.
    let kept = String::from_utf8(read(&folder, "whole/run.toml")).expect("UTF-8");
    for line in ["state = \"bf16\"", "norm = 0.5", "accumulate = 4", "average = 0.5", "telemetry = 2"] {
        assert!(kept.lines().any(|l| l == line), "no `{line}` in {kept}");
    }
    train(&["whole/run.toml", "--out", "again"]);
    train(&["all.toml", "--out", "parts", "--epochs", "1"]);
    train(&["--resume", "parts", "--epochs", "3"]);
    for file in ["model.safetensors", "average.safetensors", "optimizer.safetensors"] {
        for other in ["again", "parts"] {
            assert!(
                read(&folder, &format!("whole/{file}")) == read(&folder, &format!("{other}/{file}")),
                "{file} of {other}"
            );
        }
    }
    let resume = ["train", "--device", "cpu", "--resume", "parts", "--epochs", "4", "--set"];
    for (set, named) in [
        ("train.accumulate=2", "accumulate `4`, this run has `2`"),
        ("train.average=0.75", "average `0.5`, this run has `0.75`"),
        ("optimizer.state=f32", "optimizer.state `bf16`, this run has `f32`"),
    ] {
        refused(folder.path(), &[&resume[..], &[set]].concat(), &[named]);
    }
}

/// `thalweg schedule` shows the rates that training has.
#[test]
fn a_schedule_counts_updates() {
    let folder = prepared();
    let run = good(folder.path(), &["train", "all.toml", "--device", "cpu", "--json", "--log-steps", "--out", "run"]);
    let rates: Vec<_> = run.all("step").iter().map(|step| step["learning_rate"].as_f64().expect("a rate")).collect();
    assert!(
        rates.chunks(6).all(|epoch| epoch[..4].iter().all(|r| *r == epoch[0]) && epoch[4] == epoch[5]),
        "{rates:?}"
    );
    let expected: Vec<_> = rates.chunks(6).flat_map(|epoch| [epoch[0], epoch[4]]).collect();
    let shown = good(folder.path(), &["schedule", "all.toml", "--json"]);
    let found: Vec<_> = shown.all("rate").iter().map(|at| at["learning_rate"].as_f64().expect("a rate")).collect();
    assert_eq!(found, expected, "{}", shown.out);
}

#[test]
fn no_average() {
    let folder = folder();
    good(folder.path(), &["train", "tiny.toml", "--device", "cpu", "--out", "run"]);
    for command in ["eval", "predict"] {
        let named = ["the run in run keeps no running average", "--average", "train.average"];
        refused(folder.path(), &[command, "run", "points.csv", "--device", "cpu", "--average"], &named);
    }
}

#[test]
fn bad_keys() {
    let folder = folder();
    for (set, named) in [
        ("train.accumulate=0", "train.accumulate"),
        ("train.average=1", "train.average"),
        ("optimizer.state=f64", "`f32`, `f16`, `bf16`"),
        ("optimizer.clip.norm=0", "optimizer.clip.norm"),
    ] {
        refused(folder.path(), &["train", "tiny.toml", "--device", "cpu", "--set", set], &[named]);
    }
}

fn golden(file: &str) -> String {
    format!("{}/tests/golden/{file}", env!("CARGO_MANIFEST_DIR"))
}

/// PyTorch's run gone on with, and what is said where a number is another.
#[test]
fn from_pytorch() {
    let folder = folder();
    let runs: Value = serde_json::from_str(include_str!("../golden/updates/states.json")).expect("JSON");
    let run = runs["runs"].as_array().expect("runs").iter().find(|run| run["name"] == "adam").expect("adam");
    let layers =
        "[{ type = 'flatten' }, { type = 'linear', out = 5 }, { type = 'tanh' }, { type = 'linear', out = 4 }]";
    let toml = format!(
        "[data]\nsource = 'npz:{}'\nvalidation = 0.0\n[model]\nlayers = {layers}\n{}",
        golden("pytorch/classes.npz"),
        run["toml"].as_str().expect("TOML")
    );
    write(&folder, "on.toml", toml);
    let (model, state) = (golden("updates/adam.model.safetensors"), golden("updates/adam.optimizer.safetensors"));
    let train = ["train", "on.toml", "--device", "cpu", "--precision", "f64"];
    let from = ["--init", &model, "--init-optimizer", &state];
    let said = good(folder.path(), &[&train[..], &from, &["--json", "--log-steps", "--out", "run"]].concat());
    assert!(said.all("note").is_empty() && said.err.is_empty(), "{}", said.err);
    let steps = said.all("step");
    let expected = run["losses"].as_array().expect("losses");
    assert_eq!(steps.len(), expected.len());
    for (found, expected) in steps.iter().zip(expected) {
        let (found, expected) = (found["loss"].as_f64().expect("a loss"), expected.as_f64().expect("a loss"));
        assert!((found - expected).abs() <= 1e-9 * expected, "{found} is not {expected}");
    }
    let kept = String::from_utf8(read(&folder, "run/run.toml")).expect("UTF-8");
    assert!(kept.lines().next().is_some_and(|line| line.contains("init-optimizer: ")), "{kept}");

    let other =
        [&train[..], &from, &["--set", "optimizer.learning_rate=0.5", "--out", "other", "--epochs", "1"]].concat();
    let said = good(folder.path(), &other);
    let note = "note: PyTorch's optimizer had lr = 0.02 for `1.weight` and 3 more; this run's own is used";
    assert_eq!(said.err.trim_end(), note);
    let again =
        [&train[..], &from, &["--set", "optimizer.beta1=0.5", "--out", "third", "--epochs", "1", "--json"]].concat();
    let said = good(folder.path(), &again);
    let notes = said.all("note");
    assert_eq!((notes.len(), &notes[0]["field"], &notes[0]["found"]), (1, &"betas".into(), &"[0.9,0.99]".into()));
    assert_eq!(notes[0]["tensors"].as_array().map(Vec::len), Some(4));
    assert_eq!(said.events()[0].0, "start");
}

#[test]
fn wrong_states() {
    let folder = folder();
    write(&folder, "tiny.toml", TINY);
    good(folder.path(), &["train", "tiny.toml", "--device", "cpu", "--out", "run"]);
    let state = golden("updates/adam.optimizer.safetensors");
    let train = ["train", "tiny.toml", "--device", "cpu", "--out", "new"];
    let init = ["--init", "run/model.safetensors", "--init-optimizer"];
    let named = [
        "missing: `state.0.weight.exp_avg` [5, 3]",
        "missing: `state.0.bias.step` []",
        "wrong shape: `state.3.weight.exp_avg_sq` is [4, 5], the model has [2, 5]",
        "not in the model: `state.1.weight.exp_avg` [5, 6]",
    ];
    refused(folder.path(), &[&train[..], &init, &[&state]].concat(), &named);
    let other = golden("updates/momentum.optimizer.safetensors");
    let named = ["optimizer states `momentum_buffer`, this run has `exp_avg, exp_avg_sq`"];
    refused(folder.path(), &[&train[..], &init, &[&other]].concat(), &named);
    refused(folder.path(), &[&train[..], &init, &["nowhere.safetensors"]].concat(), &["nowhere.safetensors"]);
    refused(folder.path(), &[&train[..], &["--init-optimizer", &state]].concat(), &["--init"]);
    assert!(!folder.path().join("new").exists());
}

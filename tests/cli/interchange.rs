//! Networks with running statistics that PyTorch made, through the command: `--init`, resuming, `predict`, `gradcheck`.

use serde_json::Value;

use crate::command::{folder, good, read, refused};

fn golden(file: &str) -> String {
    format!("{}/tests/golden/interchange/{file}", env!("CARGO_MANIFEST_DIR"))
}

fn expected(run: &str) -> Value {
    let text = std::fs::read_to_string(golden(&format!("{run}/expected.json"))).expect("a golden file");
    serde_json::from_str(&text).expect("JSON")
}

/// What a run of the command starts with, on the CPU.
fn train(run: &str) -> Vec<String> {
    let mut arguments = vec!["train".into(), golden(&format!("{run}/run.toml"))];
    arguments.extend(["--device", "cpu", "--json", "--log-steps"].map(String::from));
    arguments.extend(["--init".into(), golden(&format!("{run}/model.safetensors"))]);
    if run == "conv" {
        arguments.extend(["--set".into(), "model.layers[4].layers[3].p=0.0".into()]);
    }
    arguments
}

fn with<'a>(first: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    first.iter().map(String::as_str).chain(more.iter().copied()).collect()
}

#[test]
fn training_goes_on_from_pytorch() {
    let folder = folder();
    for run in ["conv", "words"] {
        let (right, straight) = (expected(run), format!("{run}-straight"));
        let said =
            good(folder.path(), &with(&train(run), &["--precision", "f64", "--out", &straight, "--epochs", "2"]));
        let tolerance = right["spread"]["losses"].as_f64().expect("a number") * f64::EPSILON / 2.0;
        let losses = right["losses"].as_array().expect("a list");
        let steps = said.all("step");
        assert_eq!(steps.len(), losses.len());
        for (step, loss) in steps.iter().zip(losses) {
            let error = step["loss"].as_f64().expect("a number") - loss.as_f64().expect("a number");
            assert!(error.abs() <= tolerance, "{run}: {step}, PyTorch {loss}");
        }
        // Interrupted between the epochs: the same bytes, the counts of minibatches among them.
        let parts = format!("{run}-parts");
        good(folder.path(), &with(&train(run), &["--precision", "f64", "--out", &parts, "--epochs", "1"]));
        let on = ["train", "--resume", &parts, "--device", "cpu", "--precision", "f64", "--epochs", "2"];
        good(folder.path(), &on);
        let model = |out: &str| read(&folder, &format!("{out}/model.safetensors"));
        assert_eq!(model(&parts), model(&straight), "{run}");
        // A run of the command answers what PyTorch made up.
        let out = format!("{run}.npz");
        good(
            folder.path(),
            &["predict", &parts, &golden(&format!("{run}/examples.npz")), "--device", "cpu", "--out", &out],
        );
        assert!(read(&folder, &out).starts_with(b"PK"));
    }
}

#[test]
fn gradients_are_checked_at_pytorchs_weights() {
    let folder = folder();
    for run in ["conv", "dense", "words"] {
        let (toml, init) = (golden(&format!("{run}/run.toml")), golden(&format!("{run}/model.safetensors")));
        let said = good(
            folder.path(),
            &["gradcheck", &toml, "--init", &init, "--device", "cpu", "--no-sweep", "--burn-in", "6"],
        );
        assert!(said.out.contains("gradients are right"), "{run}: {}", said.out);
    }
}

#[test]
fn statistics_must_be_there() {
    let folder = folder();
    let (toml, init) = (golden("dense/run.toml"), golden("untracked.safetensors"));
    let missing: &[&str] =
        &["untracked.safetensors", "missing: `1.running_mean` [8]", "`1.running_var`", "`8.layers.1.running_var` [4]"];
    refused(folder.path(), &["train", &toml, "--device", "cpu", "--init", &init, "--out", "run"], missing);
    assert!(!folder.path().join("run").exists());
    let gradcheck = ["gradcheck", &toml, "--device", "cpu", "--init", &init];
    crate::command::refused_late(folder.path(), &gradcheck, missing);
}

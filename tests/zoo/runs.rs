//! One epoch, and what a run is for.

use std::collections::BTreeMap;
use std::path::Path;

use libtest_mimic::Failed;
use safetensors::SafeTensors;
use serde_json::Value;

use crate::Model;
use crate::command::{Said, good};

/// The adapter the suite runs on: `gpu`, or the one `THALWEG_ADAPTER` names.
pub fn adapter(device: &str) -> String {
    match std::env::var("THALWEG_ADAPTER") {
        Ok(name) if device == "gpu" && !name.is_empty() => name,
        _ => device.into(),
    }
}

/// The mean of a few steps' losses.
fn mean(steps: &[f64]) -> f64 {
    steps.iter().sum::<f64>() / steps.len() as f64
}

fn losses(said: &Said) -> Vec<f64> {
    // JSON has no NaN: what is not finite is no number there.
    said.all("step").iter().map(|step| step["loss"].as_f64().expect("a finite loss")).collect()
}

/// The tensors of a run whose name ends so.
fn kept(run: &Path, ending: &str) -> Result<BTreeMap<String, Vec<f32>>, Failed> {
    let bytes = std::fs::read(run.join("model.safetensors"))?;
    let tensors = SafeTensors::deserialize(&bytes)?;
    let numbers = |bytes: &[u8]| bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let named = tensors.iter().filter(|(name, _)| name.ends_with(ending));
    Ok(named.map(|(name, tensor)| (name.to_owned(), numbers(tensor.data()))).collect())
}

/// An epoch from the file, with nothing changed but the data, the minibatch and the number of epochs; a second one from where it
/// stopped; what `eval` and `predict` say of the run in between.
pub fn one_epoch_and_another(model: &Model, device: &str) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (path, run) = (folder.path(), folder.path().join("run"));
    let source = model.source(path);
    let device = ["--device", &adapter(device)];
    let with = |arguments: &[&str]| good(path, &[arguments, &device[..]].concat());
    let file = model.file();
    let (file, set) = (file.to_str().ok_or("a path")?, format!("data.source={source}"));
    let batch = format!("train.batch_size={}", model.batch);
    let mut train = vec!["train", file, "--set", &batch, "--out", "run", "--epochs", "1", "--json", "--log-steps"];
    let rate = model.rate.map(|rate| format!("optimizer.learning_rate={rate}"));
    if let Some(rate) = &rate {
        train.extend(["--set", rate]);
    }
    // Without it the file's own source is taken.
    if source != "digits" {
        train.extend(["--set", &set]);
    }
    let said = with(&train);
    let steps = losses(&said);
    assert_eq!(steps.len(), model.train.div_ceil(model.batch));
    let epoch = &said.all("epoch")[0];
    for number in ["train_loss", "val_loss", "val_accuracy"] {
        assert!(epoch[number].as_f64().is_some_and(f64::is_finite), "{epoch}");
    }

    // Every mean and variance that is kept has moved from its initial 0 and 1, and stays one.
    let text = std::fs::read_to_string(file)?;
    let (means, variances) = (kept(&run, ".running_mean")?, kept(&run, ".running_var")?);
    assert_eq!(means.is_empty(), !text.contains("batch_norm"));
    assert_eq!((means.len(), variances.len()), (text.matches("\"batch_norm\"").count(), means.len()));
    for (name, values) in &means {
        assert!(values.iter().all(|&m| m.is_finite() && m != 0.0), "{name}: {values:?}");
    }
    for (name, values) in &variances {
        assert!(values.iter().all(|&v| v.is_finite() && v > 0.0 && v != 1.0), "{name}: {values:?}");
    }

    let judged = with(&["eval", "run", &source, "--json"]).all("eval").remove(0);
    assert_eq!((&judged["loss"], &judged["accuracy"]), (&epoch["val_loss"], &epoch["val_accuracy"]));
    assert_eq!((&judged["rows"], &judged["part"]), (&model.held.into(), &"validation".into()));
    let confusion: Vec<Vec<u64>> = serde_json::from_value(judged["confusion"].clone())?;
    let answers = with(&["predict", "run", &source]);
    let answered = answered(&answers.out)?;
    if source != "digits" {
        // Digits have no parts: all of them are answered.
        assert_eq!(answered.len(), model.held);
        for (class, &count) in answered
            .iter()
            .fold([0; 10], |mut counts, &c| {
                counts[c] += 1;
                counts
            })
            .iter()
            .enumerate()
        {
            assert_eq!(count, confusion.iter().map(|row| row[class]).sum::<u64>(), "class {class}");
        }
    }

    let second = with(&["train", "--resume", "run", "--epochs", "2", "--json", "--log-steps"]);
    let numbers: Vec<Value> = second.all("step").into_iter().map(|step| step["step"].clone()).collect();
    assert_eq!(numbers, (steps.len() + 1..=2 * steps.len()).map(Value::from).collect::<Vec<_>>());
    let steps = [steps, losses(&second)].concat();
    let few = steps.len().div_ceil(4);
    let (first, last) = (mean(&steps[..few]), mean(&steps[steps.len() - few..]));
    assert!(last < first, "the loss went from {first} to {last}: {steps:?}");
    Ok(())
}

/// The classes of a table of predictions, each row of which sums to 1.
fn answered(table: &str) -> Result<Vec<usize>, Failed> {
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("class,p0,p1,p2,p3,p4,p5,p6,p7,p8,p9"));
    lines
        .map(|line| {
            let cells = line.split(',').map(str::parse).collect::<Result<Vec<f64>, _>>()?;
            let total: f64 = cells[1..].iter().sum();
            // Ten numbers, each rounded to f32.
            assert!((total - 1.0).abs() <= 10.0 * f64::from(f32::EPSILON), "{line}");
            Ok(cells[0] as usize)
        })
        .collect()
}

//! The runs that PyTorch and Keras made with clipped and accumulated gradients and running averages.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use libtest_mimic::Failed;
use serde_json::Value;
use thalweg::Shape;
use thalweg::data::{Source, Split};
use thalweg::device::{Device, Precision};
use thalweg::nn::{Flatten, Linear, Sequential, Tanh};
use thalweg::train::checkpoint::{AVERAGE, read_weights};
use thalweg::train::config::RunConfig;
use thalweg::train::{Event, Flow, Recipe, Trainer};

use super::Check;

pub fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file)
}

pub fn runs(text: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).expect("valid JSON");
    file["runs"].as_array().expect("runs").clone()
}

pub fn text<'a>(run: &'a Value, key: &str) -> &'a str {
    run[key].as_str().expect("a text")
}

/// The golden network.
pub fn network() -> Sequential {
    Sequential::new().add(Flatten).add(Linear::new(5)).add(Tanh).add(Linear::new(4))
}

pub fn rows() -> Result<Split, Failed> {
    Ok(Source::Npz("classes.npz".into()).load(&golden("pytorch"), 0.0)?)
}

pub fn recipe(toml: &str) -> Result<Recipe, Failed> {
    Ok(RunConfig::parse(toml, &[])?.recipe(None))
}

pub fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

/// How far rounding on that device may carry the run's numbers of a kind.
pub fn tolerance(run: &Value, of: &str, device: &Device) -> f64 {
    let unit = match device.precision() {
        Precision::F32 => f64::from(f32::EPSILON) / 2.0,
        Precision::F64 => f64::EPSILON / 2.0,
    };
    run["spread"][of].as_f64().expect("a number") * unit
}

pub fn near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) -> Result<(), Failed> {
    if found.len() != expected.len() {
        return Err(format!("{what}: {} numbers, expected {}", found.len(), expected.len()).into());
    }
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        if !(error <= tolerance) {
            return Err(format!("{what} [{i}]: {found} is not {expected}: {error:e} above {tolerance:e}").into());
        }
    }
    Ok(())
}

/// Trains on and compares every loss, then the parameters.
pub fn follows(trainer: &mut Trainer, run: &Value, device: &Device) -> Result<(), Failed> {
    let mut losses = Vec::new();
    trainer.run(&mut |event| {
        if let Event::Step(step) = event {
            losses.push(step.loss);
        }
        Flow::Continue
    })?;
    near("loss of step", &losses, &numbers(&run["losses"]), tolerance(run, "loss", device))?;
    let names: Vec<String> = trainer.tensors().iter().map(|t| t.name.clone()).collect();
    assert_eq!(names, ["1.weight", "1.bias", "3.weight", "3.bias"]);
    for (name, found) in names.iter().zip(trainer.parameters()?) {
        near(name, &found, &numbers(&run["parameters"][name]), tolerance(run, "parameter", device))?;
    }
    Ok(())
}

pub fn checks() -> Vec<(String, Check)> {
    let runs = runs(include_str!("../golden/updates/runs.json"));
    let check = |run: Value| -> (String, Check) {
        (text(&run, "name").to_owned(), Arc::new(move |device| reproduces(&run, device)))
    };
    runs.into_iter().map(check).collect()
}

fn reproduces(run: &Value, device: &Device) -> Result<(), Failed> {
    let mut trainer = Trainer::new(device, &network(), &rows()?, recipe(text(run, "toml"))?)?;
    trainer.load_weights(&golden("pytorch/mlp.safetensors"))?;
    let folder = tempfile::tempdir()?;
    trainer.keep_in(folder.path())?;
    follows(&mut trainer, run, device)?;
    let expected = run["average"].as_object().expect("tensors");
    assert_eq!(folder.path().join(AVERAGE).exists(), !expected.is_empty());
    if expected.is_empty() {
        return Ok(());
    }
    let shapes: Vec<(String, Shape)> = trainer.tensors().iter().map(|t| (t.name.clone(), t.shape.clone())).collect();
    let found = read_weights(&folder.path().join(AVERAGE), &shapes)?;
    for ((name, _), found) in shapes.iter().zip(found) {
        near(name, &found.to_f64(), &numbers(&expected[name]), tolerance(run, "average", device))?;
    }
    Ok(())
}

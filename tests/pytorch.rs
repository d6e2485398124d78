//! Interchange with PyTorch: its weights and arrays are read, its runs reproduced step by step, its names written.
//! `golden/pytorch/generate.py` made the files and says how far rounding may carry a run; `layers` has every layer.

#[path = "pytorch/layers.rs"]
mod layers;
mod support;
#[path = "pytorch/wrong_files.rs"]
mod wrong_files;

use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use thalweg::data::Source;
use thalweg::device::gpu::Options;
use thalweg::device::{Device, Precision};
use thalweg::nn::{Flatten, Linear, Objective, Relu, Sequential};
use thalweg::optim::Optimizer;
use thalweg::train::checkpoint::MODEL;
use thalweg::train::{Event, Flow, Recipe, Trainer};

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pytorch").join(file)
}

fn main() {
    let mut trials = vec![Trial::test("weights keep their bytes, names, shapes and type", weights)];
    let runs: Value = serde_json::from_str(include_str!("golden/pytorch/runs.json")).expect("valid JSON");
    for run in runs["runs"].as_array().expect("runs") {
        let name = format!("{} {}", run["loss"].as_str().expect("a loss"), run["optimizer"]["name"]);
        for precision in [Precision::F64, Precision::F32] {
            let run = run.clone();
            let on = Device::Cpu(precision);
            trials.push(Trial::test(format!("{name} cpu {}", precision.name()), move || reproduces(&run, &on)));
        }
        let run = run.clone();
        trials.push(support::trial(format!("{name} gpu"), move || {
            reproduces(&run, &Device::Gpu(support::open(Options::default())?))
        }));
    }
    trials.extend(layers::trials());
    trials.extend(wrong_files::trials());
    support::main(trials);
}

fn trainer(run: &Value, device: &Device) -> Result<Trainer, Failed> {
    let model = Sequential::new().add(Flatten).add(Linear::new(5)).add(Relu).add(Linear::new(4));
    let arrays = Source::Npz(format!("{}.npz", run["data"].as_str().expect("a file")).into());
    let data = arrays.load(&golden(""), 0.0)?;
    let optimizer: Optimizer = serde_json::from_value(run["optimizer"].clone())?;
    let recipe = Recipe {
        objective: Objective { loss: run["loss"].as_str().expect("a loss").parse()?, l2: 0.0 },
        optimizer: optimizer.into(),
        epochs: run["epochs"].as_u64().expect("a count") as u32,
        batch_size: 5,
        shuffle: false,
        ..Recipe::default()
    };
    let mut trainer = Trainer::new(device, &model, &data, recipe)?;
    trainer.load_weights(&golden("mlp.safetensors"))?;
    Ok(trainer)
}

/// Every step's loss and the last parameters lie as near to PyTorch's f64 ones as rounding in this precision lets them.
fn reproduces(run: &Value, device: &Device) -> Result<(), Failed> {
    let mut trainer = trainer(run, device)?;
    let mut losses = Vec::new();
    trainer.run(&mut |event| {
        if let Event::Step(step) = event {
            losses.push(step.loss);
        }
        Flow::Continue
    })?;
    let tolerance = |of: &str| run["spread"][of].as_f64().expect("a number") * unit(device.precision());
    near("loss of step", &losses, &numbers(&run["losses"]), tolerance("loss"))?;
    let names: Vec<String> = trainer.tensors().iter().map(|t| t.name.clone()).collect();
    assert_eq!(names, ["1.weight", "1.bias", "3.weight", "3.bias"]);
    for (name, found) in names.iter().zip(trainer.parameters()?) {
        near(name, &found, &numbers(&run["parameters"][name]), tolerance("parameter"))?;
    }
    Ok(())
}

/// The unit roundoff.
fn unit(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => f64::from(f32::EPSILON) / 2.0,
        Precision::F64 => f64::EPSILON / 2.0,
    }
}

fn near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) -> Result<(), Failed> {
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

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

/// Read, kept untrained, and compared with what PyTorch wrote: nothing but the metadata may differ.
fn weights() -> Result<(), Failed> {
    let runs: Value = serde_json::from_str(include_str!("golden/pytorch/runs.json"))?;
    let folder = tempfile::tempdir()?;
    trainer(&runs["runs"][0], &Device::Cpu(Precision::F64))?.checkpoint()?.save(folder.path())?;
    let (theirs, ours) = (std::fs::read(golden("mlp.safetensors"))?, std::fs::read(folder.path().join(MODEL))?);
    let theirs = safetensors::SafeTensors::deserialize(&theirs)?;
    let ours = safetensors::SafeTensors::deserialize(&ours)?;
    assert_eq!(ours.len(), theirs.len());
    for (name, theirs) in theirs.tensors() {
        let ours = ours.tensor(&name)?;
        assert_eq!((ours.dtype(), ours.shape()), (theirs.dtype(), theirs.shape()), "{name}");
        assert_eq!(ours.data(), theirs.data(), "{name}");
    }
    Ok(())
}

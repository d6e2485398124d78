//! Networks with every layer: read from PyTorch's files, held to its outputs and its steps, and written as it writes them.
//! `golden/interchange/generate.py` made the files and says how far rounding may carry each number.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use libtest_mimic::{Failed, Trial};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use thalweg::data::{Dataset, Source};
use thalweg::device::gpu::Options;
use thalweg::device::{Device, Precision};
use thalweg::nn::{self, LayerSpec, layer};
use thalweg::train::checkpoint::{MODEL, RUN};
use thalweg::train::config::RunConfig;
use thalweg::train::{Event, Flow, Predictor, Recipe, Trainer};

use crate::{near, numbers, support, unit};

/// With a state after training besides.
pub const TRAINED: [&str; 3] = ["conv", "dense", "words"];
/// In half precision, as PyTorch's float16 and bfloat16.
const NARROW: [&str; 2] = ["half", "brain"];

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("every layer is in a file of pytorch's", every_layer),
        Trial::test("half precisions are widened exactly", widened),
    ];
    for run in TRAINED {
        trials.push(Trial::test(format!("{run}: bytes are kept"), move || bytes(run)));
    }
    type Check = fn(&str, &Device) -> Result<(), Failed>;
    let answers = TRAINED.iter().chain(&NARROW).map(|run| (*run, "outputs", answers as Check));
    for (run, what, check) in answers.chain(TRAINED.map(|run| (run, "steps", steps as Check))) {
        for precision in [Precision::F64, Precision::F32] {
            let name = format!("{run}: {what} cpu {}", precision.name());
            trials.push(Trial::test(name, move || check(run, &Device::Cpu(precision))));
        }
        trials.push(support::trial(format!("{run}: {what} gpu"), move || {
            check(run, &Device::Gpu(support::open(Options::default())?))
        }));
    }
    trials
}

pub fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/interchange").join(file)
}

fn expected(run: &str) -> Result<Value, Failed> {
    Ok(serde_json::from_str(&std::fs::read_to_string(golden(&format!("{run}/expected.json")))?)?)
}

fn allowed(expected: &Value, of: &str, device: &Device) -> Result<f64, Failed> {
    let spread = expected["spread"][of].as_f64().ok_or_else(|| format!("no spread of {of}"))?;
    Ok(spread * unit(device.precision()))
}

fn examples(run: &str) -> Result<Dataset, Failed> {
    let run = if NARROW.contains(&run) { "conv" } else { run };
    let given = Source::Npz(golden(&format!("{run}/examples.npz"))).given(Path::new(""), &mut |_| Ok(()))?;
    given.undivided.ok_or_else(|| "no `x`".into())
}

/// The run as its folder has it, dropout silent: what it drops is another generator's business.
pub fn config(run: &str) -> Result<RunConfig, Failed> {
    let text = std::fs::read_to_string(golden(&format!("{run}/{RUN}")))?;
    let still = text.replace("p = 0.5", "p = 0.0");
    assert_eq!(still != text, run != "words", "who has dropout");
    Ok(RunConfig::parse(&still, &[])?)
}

/// In training on the run's data, from the initial weights of thalweg.
pub fn trainer(run: &str, device: &Device) -> Result<Trainer, Failed> {
    let config = config(run)?;
    let data = Source::Npz(golden(&format!("{run}/data.npz"))).load(Path::new(""), 0.0)?;
    let recipe = Recipe {
        objective: config.objective(),
        optimizer: config.optimizer().into(),
        epochs: config.train.epochs as u32,
        batch_size: config.train.batch_size,
        shuffle: config.train.shuffle,
        ..Recipe::default()
    };
    Ok(Trainer::new(device, &config.model()?, &data, recipe)?)
}

fn every_layer() -> Result<(), Failed> {
    fn names<'a>(layers: impl IntoIterator<Item = &'a LayerSpec>, found: &mut BTreeSet<&'static str>) {
        for spec in layers {
            found.insert(spec.entry().name);
            for (_, value) in spec.values() {
                if let nn::Value::Layers(inner) = value {
                    names(inner, found);
                }
            }
        }
    }
    let mut found = BTreeSet::new();
    for run in TRAINED {
        names(&config(run)?.model.layers, &mut found);
    }
    let all: BTreeSet<&str> = layer::all().map(|entry| entry.name).collect();
    assert_eq!(found, all, "a layer that golden/interchange/generate.py does not have");
    Ok(())
}

fn answers(run: &str, device: &Device) -> Result<(), Failed> {
    let right = expected(run)?;
    let found = Predictor::load(&golden(run), device)?.outputs(&examples(run)?)?;
    near("output", &found.values.to_f64(), &numbers(&right["outputs"]), allowed(&right, "outputs", device)?)
}

/// From PyTorch's weights by its minibatches: every loss, then every parameter, running statistic and count, under its name,
/// in its shape and type. What is then written answers as PyTorch's network with that state would.
fn steps(run: &str, device: &Device) -> Result<(), Failed> {
    let right = expected(run)?;
    let mut trainer = trainer(run, device)?;
    trainer.load_weights(&golden(&format!("{run}/{MODEL}")))?;
    let mut losses = Vec::new();
    trainer.run(&mut |event| {
        if let Event::Step(step) = event {
            losses.push(step.loss);
        }
        Flow::Continue
    })?;
    near("loss of step", &losses, &numbers(&right["losses"]), allowed(&right, "losses", device)?)?;

    let folder = tempfile::tempdir()?;
    trainer.checkpoint()?.save(folder.path())?;
    let (ours, theirs) =
        (std::fs::read(folder.path().join(MODEL))?, std::fs::read(golden(&format!("{run}/after.safetensors")))?);
    let (ours, theirs) = (SafeTensors::deserialize(&ours)?, SafeTensors::deserialize(&theirs)?);
    same_names(&ours, &theirs);
    for (name, theirs) in theirs.tensors() {
        let ours = ours.tensor(&name)?;
        assert_eq!(ours.shape(), theirs.shape(), "{name}");
        if theirs.dtype() == Dtype::I64 {
            // A count: no rounding.
            assert_eq!((ours.dtype(), ours.data()), (Dtype::I64, theirs.data()), "{name}");
            continue;
        }
        let dtype = if device.precision() == Precision::F64 { Dtype::F64 } else { Dtype::F32 };
        assert_eq!(ours.dtype(), dtype, "{name}");
        near(
            &name,
            &floats(dtype, ours.data()),
            &floats(theirs.dtype(), theirs.data()),
            allowed(&right, &name, device)?,
        )?;
    }
    Ok(())
}

/// Read, kept untrained, and compared with what PyTorch wrote: nothing but the metadata may differ.
fn bytes(run: &str) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = golden(&format!("{run}/{MODEL}"));
    let mut trainer = trainer(run, &Device::Cpu(Precision::F64))?;
    trainer.load_weights(&file)?;
    trainer.checkpoint()?.save(folder.path())?;
    let (theirs, ours) = (std::fs::read(file)?, std::fs::read(folder.path().join(MODEL))?);
    let (theirs, ours) = (SafeTensors::deserialize(&theirs)?, SafeTensors::deserialize(&ours)?);
    same_names(&ours, &theirs);
    for (name, theirs) in theirs.tensors() {
        let ours = ours.tensor(&name)?;
        assert_eq!(
            (ours.dtype(), ours.shape(), ours.data()),
            (theirs.dtype(), theirs.shape(), theirs.data()),
            "{name}"
        );
    }
    Ok(())
}

fn same_names(ours: &SafeTensors<'_>, theirs: &SafeTensors<'_>) {
    let names = |file: &SafeTensors<'_>| file.names().into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(names(ours), names(theirs));
    assert!(theirs.len() > 4);
}

pub fn floats(dtype: Dtype, bytes: &[u8]) -> Vec<f64> {
    match dtype {
        Dtype::F64 => bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
        Dtype::F32 => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b).into()).collect(),
        Dtype::F16 => bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).into()).collect(),
        Dtype::BF16 => bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).into()).collect(),
        other => panic!("{other:?} is no type of these files"),
    }
}

fn widened() -> Result<(), Failed> {
    for run in NARROW {
        let folder = tempfile::tempdir()?;
        let file = golden(&format!("{run}/{MODEL}"));
        let mut trainer = trainer("conv", &Device::Cpu(Precision::F32))?;
        trainer.load_weights(&file)?;
        trainer.checkpoint()?.save(folder.path())?;
        let (theirs, ours) = (std::fs::read(file)?, std::fs::read(folder.path().join(MODEL))?);
        let (theirs, ours) = (SafeTensors::deserialize(&theirs)?, SafeTensors::deserialize(&ours)?);
        same_names(&ours, &theirs);
        for (name, theirs) in theirs.tensors() {
            let ours = ours.tensor(&name)?;
            if theirs.dtype() == Dtype::I64 {
                assert_eq!(ours.data(), theirs.data(), "{name}");
            } else {
                assert_eq!(floats(ours.dtype(), ours.data()), floats(theirs.dtype(), theirs.data()), "{name}");
            }
        }
    }
    Ok(())
}

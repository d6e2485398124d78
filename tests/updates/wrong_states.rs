//! Files that are nearly the state of the run's optimizer.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use libtest_mimic::{Failed, Trial};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use tempfile::TempDir;
use thalweg::device::{Device, Precision};
use thalweg::error::{CheckpointError, Error};
use thalweg::optim::{Convention, Optimizer};
use thalweg::train::{Difference, Trainer};

use super::libraries::golden;
use super::states::{of, started};

/// What a file holds, to be changed.
pub struct File {
    pub tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
    pub groups: Option<Value>,
}

/// A changed file, as long as this lives.
pub struct Changed {
    pub path: PathBuf,
    _folder: TempDir,
}

/// The file that PyTorch wrote of an optimizer, changed.
pub fn changed(name: &str, change: impl FnOnce(&mut File)) -> Result<Changed, Failed> {
    let bytes = std::fs::read(golden(&format!("updates/{name}.safetensors")))
        .or_else(|_| std::fs::read(golden(&format!("updates/{name}.optimizer.safetensors"))))?;
    let (_, header) = SafeTensors::read_metadata(&bytes)?;
    let groups = header.metadata().as_ref().and_then(|m| m.get("param_groups")).expect("PyTorch's groups");
    let views = SafeTensors::deserialize(&bytes)?;
    let whole =
        |(name, view): (String, TensorView<'_>)| (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()));
    let tensors = views.tensors().into_iter().map(whole).collect();
    let mut file = File { tensors, groups: Some(serde_json::from_str(groups)?) };
    change(&mut file);
    let views: Result<Vec<_>, safetensors::SafeTensorError> = file
        .tensors
        .iter()
        .map(|(n, (dtype, shape, data))| Ok((n, TensorView::new(*dtype, shape.clone(), data)?)))
        .collect();
    let metadata = file.groups.map(|groups| HashMap::from([("param_groups".to_owned(), groups.to_string())]));
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("state.safetensors");
    std::fs::write(&path, safetensors::serialize(views?, metadata)?)?;
    Ok(Changed { path, _folder: folder })
}

fn f64s(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn steps(file: &mut File, of: &str, number: f32) {
    for (name, tensor) in &mut file.tensors {
        if name.ends_with(".step") && name.contains(of) {
            // As PyTorch has it where its default type is f32.
            *tensor = (Dtype::F32, vec![], number.to_le_bytes().to_vec());
        }
    }
}

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("every tensor of another model is named", another_model),
        Trial::test("the state of another optimizer is refused", another_optimizer),
        Trial::test("numbers that no state has are named", numbers),
        Trial::test("a count that is none is refused", counts),
        Trial::test("numbers of several groups need names", several_groups),
        Trial::test("other hyper-parameters are told", other_numbers),
        Trial::test("a state before the first step is none", before_the_first_step),
        Trial::test("a state in halves is taken", halves),
        Trial::test("another convention's velocity is refused", another_convention),
        Trial::test("rules of whole tensors take no state of PyTorch's", whole_tensors),
    ]
}

fn run(name: &str) -> Result<Trainer, Failed> {
    started(&of(name), &Device::Cpu(Precision::F64), |_| ())
}

fn refusal(trainer: &mut Trainer, file: &Changed) -> CheckpointError {
    match trainer.load_optimizer(&file.path) {
        Err(Error::Checkpoint(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn another_model() -> Result<(), Failed> {
    let file = changed("adam", |file| {
        file.tensors.remove("state.1.bias.exp_avg");
        file.tensors.remove("state.3.bias.step");
        file.tensors.insert("state.5.weight.exp_avg".into(), (Dtype::F64, vec![1], f64s(&[0.0])));
        file.tensors.insert("state.17.exp_avg".into(), (Dtype::F64, vec![1], f64s(&[0.0])));
        file.tensors.insert("exp_avg".into(), (Dtype::F64, vec![1], f64s(&[0.0])));
        // A tensor twice, by its name and by its number.
        file.tensors.insert("state.0.exp_avg".into(), (Dtype::F64, vec![1], f64s(&[0.0])));
        file.tensors.insert("state.3.weight.exp_avg_sq".into(), (Dtype::F64, vec![5, 4], f64s(&[0.0; 20])));
        file.tensors.insert("state.1.weight.exp_avg_sq".into(), (Dtype::I32, vec![5, 6], vec![0; 120]));
        file.tensors.insert("state.1.weight.step".into(), (Dtype::F32, vec![2], vec![0; 8]));
    })?;
    match refusal(&mut run("adam")?, &file) {
        CheckpointError::Mismatch { missing, extra, misshaped, wrong_dtype, .. } => {
            let names = |list: &[(String, thalweg::Shape)]| list.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
            assert_eq!(names(&missing), ["state.1.bias.exp_avg", "state.3.bias.step"]);
            assert_eq!(names(&extra), ["exp_avg", "state.0.exp_avg", "state.17.exp_avg", "state.5.weight.exp_avg"]);
            assert_eq!(misshaped.iter().map(|m| &*m.name).collect::<Vec<_>>(), ["state.3.weight.exp_avg_sq"]);
            let types: Vec<_> = wrong_dtype.iter().map(|m| (&*m.name, &*m.found)).collect();
            assert_eq!(types, [("state.1.weight.exp_avg_sq", "I32"), ("state.1.weight.step", "F32 of shape [2]")]);
        }
        other => panic!("{other:?}"),
    }
    Ok(())
}

fn another_optimizer() -> Result<(), Failed> {
    for (of, into, found, expected) in [
        ("adam", "amsgrad", "exp_avg, exp_avg_sq", "exp_avg, exp_avg_sq, max_exp_avg_sq"),
        ("amsgrad", "adamw", "exp_avg, exp_avg_sq, max_exp_avg_sq", "exp_avg, exp_avg_sq"),
        ("momentum", "sgd", "momentum_buffer", "none"),
        ("rmsprop", "rmsprop_centered", "square_avg", "square_avg, grad_avg, momentum_buffer"),
        ("adagrad", "momentum", "sum", "momentum_buffer"),
    ] {
        let file = changed(of, |_| ())?;
        match refusal(&mut run(into)?, &file) {
            CheckpointError::Differs { setting: "optimizer states", found: f, expected: e, .. } => {
                assert_eq!((&*f, &*e), (found, expected), "{of} into {into}");
            }
            other => panic!("{of} into {into}: {other:?}"),
        }
    }
    // Weights are no state.
    let path = golden("updates/adam.model.safetensors");
    match run("adam")?.load_optimizer(&path) {
        Err(Error::Checkpoint(CheckpointError::Mismatch { missing, extra, .. })) => {
            assert_eq!((missing.len(), extra.len()), (12, 4));
        }
        other => panic!("{other:?}"),
    }
    Ok(())
}

fn numbers() -> Result<(), Failed> {
    for (place, number, f32_alone) in [(3, f64::NAN, false), (0, f64::NEG_INFINITY, false), (4, 1e300, true)] {
        let file = changed("adam", |file| {
            let mut values = [0.5; 5];
            values[place] = number;
            file.tensors.insert("state.1.bias.exp_avg".into(), (Dtype::F64, vec![5], f64s(&values)));
        })?;
        let mut narrow = started(&of("adam"), &Device::Cpu(Precision::F32), |_| ())?;
        match refusal(&mut narrow, &file) {
            CheckpointError::NonFinite { tensor, place: found, .. } => {
                assert_eq!((&*tensor, found), ("state.1.bias.exp_avg", place));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(run("adam")?.load_optimizer(&file.path).is_ok(), f32_alone);
    }
    let file = changed("adam", |file| {
        file.tensors
            .insert("state.1.bias.exp_avg_sq".into(), (Dtype::F64, vec![5], f64s(&[0.5, -1e-9, 0.5, 0.5, 0.5])));
    })?;
    match refusal(&mut run("adam")?, &file) {
        CheckpointError::Inconsistent { found, .. } => assert_eq!(found, "-0.000000001 in `state.1.bias.exp_avg_sq`"),
        other => panic!("{other:?}"),
    }
    Ok(())
}

fn counts() -> Result<(), Failed> {
    let file = changed("adam", |file| steps(file, "3.weight", 7.0))?;
    match refusal(&mut run("adam")?, &file) {
        CheckpointError::Unequal { tensor, found: 7, other, expected: 6, .. } => {
            assert_eq!((&*tensor, &*other), ("3.weight", "1.weight"));
        }
        other => panic!("{other:?}"),
    }
    for number in [2.5, -1.0, f32::NAN, f32::INFINITY, 1e30] {
        let file = changed("adagrad", |file| steps(file, "", number))?;
        match refusal(&mut run("adagrad")?, &file) {
            CheckpointError::Inconsistent { what: "step", .. } => {}
            other => panic!("{number}: {other:?}"),
        }
    }
    // As older versions of PyTorch wrote it, and as large as it may be.
    for (number, bytes) in
        [(6_i64, Dtype::I64), (1 << 53, Dtype::I64)].map(|(n, d)| (n, (d, vec![], n.to_le_bytes().to_vec())))
    {
        let file = changed("adam", |file| {
            for (_, tensor) in file.tensors.iter_mut().filter(|(name, _)| name.ends_with(".step")) {
                *tensor = bytes.clone();
            }
        })?;
        let mut trainer = run("adam")?;
        assert_eq!(trainer.load_optimizer(&file.path)?.updates, number as u64);
        trainer.run(&mut |_| thalweg::train::Flow::Continue)?;
    }
    Ok(())
}

fn several_groups() -> Result<(), Failed> {
    // Biases first: the numbers are another order than the model's.
    let order = ["1.bias", "3.bias", "1.weight", "3.weight"];
    let regroup = |file: &mut File, names: bool| {
        let old = std::mem::take(&mut file.tensors);
        for (name, tensor) in old {
            let (id, field) = name.trim_start_matches("state.").rsplit_once('.').expect("a field");
            let number = order.iter().position(|o| *o == id).expect("a tensor");
            file.tensors.insert(format!("state.{number}.{field}"), tensor);
        }
        let mut group = file.groups.as_ref().expect("groups")[0].clone();
        let mut of = |numbers: [usize; 2]| {
            group["params"] = numbers.into();
            if names {
                group["param_names"] = numbers.map(|n| order[n]).to_vec().into();
            }
            group.clone()
        };
        file.groups = Some(vec![of([0, 1]), of([2, 3])].into());
    };
    match refusal(&mut run("adam")?, &changed("adam", |file| regroup(file, false))?) {
        CheckpointError::Numbered { groups: 2, .. } => {}
        other => panic!("{other:?}"),
    }
    let (mut numbered, mut named) = (run("adam")?, run("adam")?);
    let found = numbered.load_optimizer(&changed("adam", |file| regroup(file, true))?.path)?;
    assert_eq!(found, named.load_optimizer(&golden("updates/adam.optimizer.safetensors"))?);
    assert_eq!(numbered.checkpoint()?, named.checkpoint()?);
    Ok(())
}

fn other_numbers() -> Result<(), Failed> {
    let told = |name: &str, change: &dyn Fn(&mut Value)| -> Result<Vec<(String, String)>, Failed> {
        let file = changed(name, |file| change(&mut file.groups.as_mut().expect("groups")[0]))?;
        let found = run(name)?.load_optimizer(&file.path)?;
        assert!(found.differences.iter().all(|d| d.tensors.len() == 4), "{:?}", found.differences);
        Ok(found.differences.into_iter().map(|Difference { field, found, .. }| (field, found)).collect())
    };
    for (name, field, value) in [
        ("adam", "lr", "0.5"),
        ("adam", "betas", "[0.8,0.99]"),
        ("adam", "betas", "[0.9,0.999]"),
        ("adam", "eps", "1e-6"),
        ("adam", "weight_decay", "0.0"),
        ("adam", "maximize", "true"),
        ("adam", "decoupled_weight_decay", "true"),
        ("adamw", "decoupled_weight_decay", "false"),
        ("momentum", "momentum", "0.5"),
        ("momentum", "dampening", "0.0"),
        ("momentum", "nesterov", "true"),
        ("nesterov", "nesterov", "false"),
        ("adagrad", "lr_decay", "0.0"),
        ("rmsprop", "alpha", "0.99"),
        ("adadelta", "rho", "0.9"),
    ] {
        let found = told(name, &|group| group[field] = serde_json::from_str(value).expect("JSON"))?;
        assert_eq!(found, [(field.to_owned(), value.to_owned())], "{name}");
    }
    // What a schedule of PyTorch's made of the rate is no difference, nor is what changes no number.
    let scheduled = told("adam", &|group| {
        (group["initial_lr"], group["lr"], group["foreach"]) = (0.02.into(), 1e-5.into(), true.into());
    })?;
    assert_eq!(scheduled, []);
    Ok(())
}

fn before_the_first_step() -> Result<(), Failed> {
    let mut trainer = run("adam")?;
    let before = trainer.checkpoint()?;
    let file = changed("adam", |file| file.tensors.clear())?;
    assert_eq!(trainer.load_optimizer(&file.path)?.updates, 0);
    assert_eq!(trainer.checkpoint()?, before);
    // An empty file of anything else is none.
    let file = changed("adam", |file| {
        file.tensors.clear();
        file.groups = None;
    })?;
    match refusal(&mut trainer, &file) {
        CheckpointError::Mismatch { missing, .. } => assert_eq!(missing.len(), 12),
        other => panic!("{other:?}"),
    }
    let file = changed("adam", |file| file.groups = Some("no list".into()))?;
    assert!(matches!(refusal(&mut trainer, &file), CheckpointError::Corrupt { .. }));
    Ok(())
}

/// Widened exactly, as weights are.
fn halves() -> Result<(), Failed> {
    let halved = |values: &[u8]| -> Vec<u8> {
        let half = |b: &[u8]| half::f16::from_f64(f64::from_le_bytes(b.try_into().expect("8 bytes"))).to_le_bytes();
        values.chunks(8).flat_map(half).collect()
    };
    let file = changed("momentum", |file| {
        for (dtype, _, data) in file.tensors.values_mut() {
            (*dtype, *data) = (Dtype::F16, halved(data));
        }
    })?;
    let (mut trainer, mut exact) = (run("momentum")?, run("momentum")?);
    trainer.load_optimizer(&file.path)?;
    exact.load_optimizer(&golden("updates/momentum.optimizer.safetensors"))?;
    for (found, exact) in trainer.checkpoint()?.states[0].1.iter().zip(&exact.checkpoint()?.states[0].1) {
        let rounded = exact.data.to_f64().iter().map(|&x| half::f16::from_f64(x).to_f64()).collect::<Vec<_>>();
        assert_eq!(found.data.to_f64(), rounded);
    }
    Ok(())
}

/// Keras's velocity has the rate in it, PyTorch's has not.
fn another_convention() -> Result<(), Failed> {
    let keras = thalweg::optim::Momentum { convention: Convention::Keras, ..Default::default() };
    let mut trainer = started(&of("momentum"), &Device::Cpu(Precision::F64), |recipe| {
        recipe.optimizer = Optimizer::from(keras).into();
    })?;
    match refusal(&mut trainer, &changed("momentum", |_| ())?) {
        CheckpointError::Differs { setting: "convention", found, expected, .. } => {
            assert_eq!((&*found, &*expected), ("pytorch", "keras"));
        }
        other => panic!("{other:?}"),
    }
    Ok(())
}

fn whole_tensors() -> Result<(), Failed> {
    for rule in ["muon", "adafactor"] {
        let optimizer: Optimizer = toml::from_str(&format!("name = '{rule}'"))?;
        let mut trainer =
            started(&of("adam"), &Device::Cpu(Precision::F64), |recipe| recipe.optimizer = optimizer.into())?;
        match refusal(&mut trainer, &changed("adam", |_| ())?) {
            CheckpointError::Foreign { rule: found, .. } => assert_eq!(found, rule),
            other => panic!("{other:?}"),
        }
    }
    Ok(())
}

/// A trainer that refuses is as it was.
pub fn changes_nothing(device: &Device) -> Result<(), Failed> {
    let mut trainer = started(&of("adam"), device, |_| ())?;
    trainer.load_optimizer(&golden("updates/adam.optimizer.safetensors"))?;
    let before = trainer.checkpoint()?;
    for file in [
        changed("amsgrad", |_| ())?,
        changed("adam", |file| steps(file, "3.bias", 9.0))?,
        changed("adam", |file| drop(file.tensors.remove("state.3.bias.exp_avg_sq")))?,
    ] {
        refusal(&mut trainer, &file);
        assert_eq!(trainer.checkpoint()?, before);
    }
    Ok(())
}

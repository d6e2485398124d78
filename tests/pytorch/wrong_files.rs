//! Files that are nearly those of a model with running statistics.

use std::collections::BTreeMap;
use std::path::PathBuf;

use libtest_mimic::{Failed, Trial};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tempfile::TempDir;
use thalweg::device::{Device, Precision};
use thalweg::error::{CheckpointError, Misshaped, Mistyped};
use thalweg::train::checkpoint::{MODEL, RUN};
use thalweg::train::{Predictor, Trainer};
use thalweg::{Error, Shape};

use crate::layers::{golden, trainer};

type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("a count is 0 where there is none", no_count),
        Trial::test("a count goes on as far as it can", large_count),
        Trial::test("what is no count is named", bad_counts),
        Trial::test("statistics that are missing or misshapen are named", bad_statistics),
        Trial::test("numbers that are none are named", non_finite),
        Trial::test("a network without running statistics is refused", untracked),
    ]
}

/// The dense run's folder with another model's file: whatever `change` makes of PyTorch's.
fn changed(change: impl FnOnce(&mut Tensors)) -> Result<(TempDir, PathBuf), Failed> {
    let bytes = std::fs::read(golden("dense/model.safetensors"))?;
    let mut tensors = Tensors::new();
    for (name, view) in SafeTensors::deserialize(&bytes)?.tensors() {
        tensors.insert(name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()));
    }
    change(&mut tensors);
    let views: Result<Vec<_>, _> = tensors
        .iter()
        .map(|(name, (dtype, shape, data))| Ok((name, TensorView::new(*dtype, shape.clone(), data)?)))
        .collect::<Result<_, safetensors::SafeTensorError>>();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join(MODEL);
    std::fs::write(&file, safetensors::serialize(views?, None)?)?;
    std::fs::copy(golden("dense/run.toml"), folder.path().join(RUN))?;
    Ok((folder, file))
}

fn dense() -> Result<Trainer, Failed> {
    trainer("dense", &Device::Cpu(Precision::F64))
}

fn counts(trainer: &mut Trainer) -> Result<Vec<(String, u64)>, Failed> {
    Ok(trainer.checkpoint()?.counters.into_iter().map(|c| (c.name, c.value)).collect())
}

fn no_count() -> Result<(), Failed> {
    let (_folder, file) = changed(|t| {
        t.remove("1.num_batches_tracked").expect("PyTorch's name");
    })?;
    let mut trainer = dense()?;
    trainer.load_weights(&file)?;
    let (first, second) = ("1.num_batches_tracked".to_owned(), "8.layers.1.num_batches_tracked".to_owned());
    assert_eq!(counts(&mut trainer)?, [(first.clone(), 0), (second.clone(), 3)]);
    trainer.run(&mut |_| thalweg::train::Flow::Continue)?;
    assert_eq!(counts(&mut trainer)?, [(first, 6), (second, 9)]);
    Ok(())
}

/// PyTorch's count is an i64.
fn large_count() -> Result<(), Failed> {
    let (folder, file) = changed(|t| {
        t.insert("1.num_batches_tracked".into(), (Dtype::I64, vec![], i64::MAX.to_le_bytes().to_vec()));
    })?;
    let mut trainer = dense()?;
    trainer.load_weights(&file)?;
    trainer.run(&mut |_| thalweg::train::Flow::Continue)?;
    trainer.checkpoint()?.save(folder.path())?;
    let bytes = std::fs::read(folder.path().join(MODEL))?;
    let kept = SafeTensors::deserialize(&bytes)?;
    assert_eq!(kept.tensor("1.num_batches_tracked")?.data(), i64::MAX.to_le_bytes());
    Ok(())
}

/// What a trainer and a predictor say of a file: the same.
fn refusals(folder: &TempDir, file: &std::path::Path) -> Result<CheckpointError, Failed> {
    let mut trainer = dense()?;
    let before = trainer.checkpoint()?;
    let Err(Error::Checkpoint(by_trainer)) = trainer.load_weights(file) else {
        return Err("the trainer took it, or said something else".into());
    };
    assert_eq!(trainer.checkpoint()?, before, "weights changed by a file that was refused");
    let by_predictor = Predictor::load(folder.path(), &Device::Cpu(Precision::F64))
        .and_then(|mut p| p.takes(&Shape::from([6])))
        .err()
        .map_or_else(|| "taken".into(), |error| error.to_string());
    assert_eq!(by_predictor, by_trainer.to_string());
    Ok(by_trainer)
}

fn bad_counts() -> Result<(), Failed> {
    let name = "1.num_batches_tracked";
    for (dtype, shape, data, found) in [
        (Dtype::F32, vec![], 3f32.to_le_bytes().to_vec(), "F32 of shape []"),
        (Dtype::F64, vec![], 3f64.to_le_bytes().to_vec(), "F64 of shape []"),
        (Dtype::I32, vec![2], vec![0; 8], "I32 of shape [2]"),
        (Dtype::I64, vec![2], vec![0; 16], "I64 of shape [2]"),
        (Dtype::I64, vec![0], vec![], "I64 of shape [0]"),
        (Dtype::I64, vec![], (-3i64).to_le_bytes().to_vec(), "-3"),
    ] {
        let (folder, file) = changed(|t| {
            t.insert(name.into(), (dtype, shape, data));
        })?;
        let error = refusals(&folder, &file)?;
        let text = error.to_string();
        assert!(text.contains(&format!("`{name}` is {found}, the model has a count")), "{text}");
        let CheckpointError::Mismatch { missing, extra, misshaped, wrong_dtype, .. } = error else {
            return Err(text.into());
        };
        assert!(missing.is_empty() && extra.is_empty() && misshaped.is_empty(), "{text}");
        let [Mistyped { name: of, found: what, .. }] = &wrong_dtype[..] else { return Err(text.into()) };
        assert_eq!((of.as_str(), what.as_str()), (name, found));
    }
    Ok(())
}

fn bad_statistics() -> Result<(), Failed> {
    let (folder, file) = changed(|t| {
        t.remove("1.running_var").expect("PyTorch's name");
        let mean = t.get_mut("8.layers.1.running_mean").expect("PyTorch's name");
        *mean = (Dtype::I64, vec![4], vec![0; 32]);
        t.insert("8.layers.1.running_var".into(), (Dtype::F32, vec![1, 4], vec![0; 16]));
        t.insert("5.running_mean".into(), (Dtype::F32, vec![4], vec![0; 16]));
        t.insert("5.num_batches_tracked".into(), (Dtype::I64, vec![], vec![0; 8]));
    })?;
    let error = refusals(&folder, &file)?;
    let text = error.to_string();
    let CheckpointError::Mismatch { missing, extra, misshaped, wrong_dtype, .. } = error else {
        return Err(text.into());
    };
    assert_eq!(missing, [("1.running_var".to_owned(), Shape::from([8]))]);
    let of_no_layer = [("5.num_batches_tracked", Shape::from([])), ("5.running_mean", Shape::from([4]))];
    assert_eq!(extra, of_no_layer.map(|(name, shape)| (name.to_owned(), shape)));
    let (name, expected, found) = ("8.layers.1.running_var".into(), Shape::from([4]), Shape::from([1, 4]));
    assert_eq!(misshaped, [Misshaped { name, expected, found }]);
    let (name, found) = ("8.layers.1.running_mean".into(), "I64".into());
    assert_eq!(wrong_dtype, [Mistyped { name, expected: "floats", found }]);
    for part in ["missing: `1.running_var` [8]", "not in the model: `5.running_mean` [4]", "`8.layers.1.running_mean`"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    Ok(())
}

/// A NaN is none anywhere; what PyTorch held in f64 may be beyond f32.
fn non_finite() -> Result<(), Failed> {
    for (name, place, number) in
        [("1.running_var", 7, f64::NAN), ("8.layers.0.weight", 5, f64::NEG_INFINITY), ("11.bias", 0, 1e39)]
    {
        let (folder, file) = changed(|t| {
            let (_, _, data) = t.get_mut(name).expect("PyTorch's name");
            data[8 * place..8 * (place + 1)].copy_from_slice(&number.to_le_bytes());
        })?;
        for precision in [Precision::F32, Precision::F64] {
            let device = Device::Cpu(precision);
            let by_trainer = trainer("dense", &device)?.load_weights(&file).err();
            let by_predictor =
                Predictor::load(folder.path(), &device).and_then(|mut p| p.takes(&Shape::from([6]))).err();
            if number == 1e39 && precision == Precision::F64 {
                assert!(by_trainer.is_none() && by_predictor.is_none());
                continue;
            }
            for error in [by_trainer, by_predictor] {
                let Some(Error::Checkpoint(CheckpointError::NonFinite { tensor, place: at, found, floats, .. })) =
                    error
                else {
                    return Err(format!("{error:?}").into());
                };
                assert_eq!((tensor.as_str(), at, floats), (name, place, precision.name()));
                assert_eq!(found.to_bits(), number.to_bits());
            }
        }
    }
    Ok(())
}

/// PyTorch's `track_running_stats=False` normalises by the minibatch in evaluation too: another network.
fn untracked() -> Result<(), Failed> {
    let (folder, file) = changed(|_| {})?;
    std::fs::copy(golden("untracked.safetensors"), &file)?;
    let error = refusals(&folder, &file)?;
    let CheckpointError::Mismatch { missing, extra, misshaped, wrong_dtype, .. } = error else {
        return Err(error.to_string().into());
    };
    let statistics = [("1", 8), ("8.layers.1", 4)].map(|(layer, channels)| {
        ["running_mean", "running_var"].map(|row| (format!("{layer}.{row}"), Shape::from([channels])))
    });
    assert_eq!(missing, statistics.concat());
    assert!(extra.is_empty() && misshaped.is_empty() && wrong_dtype.is_empty());
    Ok(())
}

//! A run put to use: what it answers and how well, held to PyTorch's own numbers and to what training said.
//! `golden/predict/generate.py` made the files and says how far rounding may carry an output.

#[path = "predict/refusals.rs"]
mod refusals;
#[path = "predict/runs.rs"]
mod runs;
mod support;

use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use thalweg::data::{Dataset, Source, Values};
use thalweg::device::gpu::Options;
use thalweg::device::{Device, Precision};
use thalweg::train::{Evaluation, Meaning, Predictor};

pub fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/predict").join(file)
}

fn main() {
    let mut trials = refusals::trials();
    type Check = fn(&Device) -> Result<(), Failed>;
    let everywhere: [(&str, Check); 6] = [
        ("pytorch's classifier", classifier),
        ("pytorch's regressor", |on| outputs_and_loss("regressor", Meaning::Numbers, on)),
        ("pytorch's binary classifier", |on| outputs_and_loss("binary", Meaning::Probabilities, on)),
        ("what training said", runs::what_training_said),
        ("minibatches change nothing", runs::minibatches_change_nothing),
        ("images of several sizes", runs::images_of_several_sizes),
    ];
    for (name, check) in everywhere {
        for precision in [Precision::F64, Precision::F32] {
            trials
                .push(Trial::test(format!("{name} cpu {}", precision.name()), move || check(&Device::Cpu(precision))));
        }
        trials.push(support::trial(format!("{name} gpu"), move || {
            check(&Device::Gpu(support::open(Options::default())?))
        }));
    }
    trials.push(Trial::test("ties go to the first", runs::ties));
    trials.push(Trial::test("files hold what was predicted", runs::files));
    trials.push(Trial::test("hinge gives scores", runs::hinge_gives_scores));
    support::main(trials);
}

/// One of the files, as a model that takes `features` is given it: its held-out part or all.
pub fn rows(file: &str) -> Dataset {
    let given = Source::Npz(golden(file)).given(Path::new(""), &mut |_| Ok(())).expect("a golden file");
    given.validation.or(given.undivided).expect("rows")
}

fn expected() -> Value {
    serde_json::from_str(include_str!("golden/predict/expected.json")).expect("JSON")
}

pub fn unit(device: &Device) -> f64 {
    match device.precision() {
        Precision::F32 => f64::from(f32::EPSILON) / 2.0,
        Precision::F64 => f64::EPSILON / 2.0,
    }
}

/// Within the rounding that the script measured.
fn near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) -> Result<(), Failed> {
    if found.len() != expected.len() {
        return Err(format!("{what}: {} numbers, expected {}", found.len(), expected.len()).into());
    }
    let errors = found.iter().zip(expected).map(|(found, expected)| (found - expected).abs());
    match errors.enumerate().find(|(_, error)| !(*error <= tolerance)) {
        Some((i, error)) => {
            let (found, right) = (found[i], expected[i]);
            Err(format!("{what} [{i}]: {found} is not {right}: {error:e} above {tolerance:e}").into())
        }
        None => Ok(()),
    }
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn classifier(device: &Device) -> Result<(), Failed> {
    let right = &expected()["classifier"];
    let allowed = |of: &str| number(&right["rounding"][of]) * unit(device);
    let mut model = Predictor::load(&golden("classifier"), device)?;
    let labelled = rows("classes.npz");

    let found = model.predict(&labelled)?;
    assert_eq!((found.meaning(), found.rows(), found.shape().axes()), (Meaning::ClassProbabilities, 40, &[6][..]));
    near("probability", &found.values().to_f64(), &numbers(&right["probabilities"]), allowed("values"))?;
    let classes: Vec<u64> = found.classes().expect("classes").iter().map(|&class| class.into()).collect();
    assert_eq!(serde_json::json!(classes), right["answers"]);
    // Without targets beside them the same.
    assert_eq!(model.predict(&rows("alone.npz"))?, found);

    let Evaluation { rows, loss, accuracy, rmse, confusion, .. } = model.evaluate(&labelled)?;
    assert_eq!((rows, rmse), (40, None));
    // The penalty of the run is not in it.
    near("loss", &[loss], &[number(&right["loss"])], allowed("loss"))?;
    // A count over 40, rounded by the device when it is taken, and again as a mean of minibatches.
    near("accuracy", &[accuracy.expect("a share")], &[number(&right["accuracy"])], 4.0 * unit(device))?;
    let confusion = confusion.expect("classes");
    assert_eq!(serde_json::json!(confusion.rows().collect::<Vec<_>>()), right["confusion"]);
    for class in 0..6 {
        let scores = serde_json::to_value(confusion.scores(class))?;
        for key in ["precision", "recall", "f1", "support"] {
            // One division of two counts: rounded right, here and there.
            assert_eq!(scores[key], right["classes"][class][key], "{key} of class {class}");
        }
    }
    let mean = serde_json::to_value(confusion.macro_average())?;
    for key in ["precision", "recall", "f1"] {
        // At most six terms below 1 and a division.
        near(key, &[number(&mean[key])], &[number(&right["macro"][key])], 8.0 * f64::EPSILON)?;
    }
    Ok(())
}

fn outputs_and_loss(run: &str, meaning: Meaning, device: &Device) -> Result<(), Failed> {
    let right = &expected()[run];
    let allowed = |of: &str| number(&right["rounding"][of]) * unit(device);
    let mut model = Predictor::load(&golden(run), device)?;
    let data = rows("numbers.npz");
    let found = model.predict(&data)?;
    assert_eq!((found.meaning(), found.classes()), (meaning, None));
    assert_eq!(matches!(found.values(), Values::F64(_)), device.precision() == Precision::F64);
    near("output", &found.values().to_f64(), &numbers(&right["values"]), allowed("values"))?;
    let judged = model.evaluate(&data)?;
    assert_eq!((judged.accuracy, judged.confusion), (None, None));
    near("loss", &[judged.loss], &[number(&right["loss"])], allowed("loss"))?;
    match right.get("rmse") {
        None => assert_eq!(judged.rmse, None),
        Some(_) => assert_eq!(judged.rmse, Some(judged.loss.sqrt())),
    }
    Ok(())
}

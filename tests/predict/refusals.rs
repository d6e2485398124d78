//! What a predictor refuses, and what it names.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use thalweg::data::{Dataset, Targets, Values};
use thalweg::device::{Device, Precision};
use thalweg::error::{CheckpointError, DataError, Error, GivenError, TrainError};
use thalweg::train::Predictor;
use thalweg::train::checkpoint::{MODEL, RUN, STANDARDISATION};
use thalweg::{Shape, data::Source};

use crate::runs::{folder, unlabelled};

const F32: Device = Device::Cpu(Precision::F32);
const RUN_OF_TWO: &str = "[model]\ninput = [2]\nlayers = [{ type = 'linear', out = 2, bias = false }]";
const UNIT: [f64; 4] = [1.0, 0.0, 0.0, 1.0];

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("folders that are no runs", folders),
        Trial::test("weights that are another model's", weights),
        Trial::test("examples of another shape", shapes),
        Trial::test("targets that do not suit", targets),
        Trial::test("outputs that are no numbers", non_finite),
        Trial::test("standardisations that do not suit", standardisations),
        Trial::test("columns that do not suit", columns),
    ]
}

macro_rules! refuses {
    ($result:expr, $pattern:pat $(if $guard:expr)?) => {{
        let found = $result;
        assert!(matches!(&found, Err($pattern) $(if $guard)?), "{found:?}");
    }};
}

fn folders() -> Result<(), Failed> {
    let load = |folder: &Path| Predictor::load(folder, &F32);
    let run = folder(RUN_OF_TWO, &[("0.weight", &[2, 2], &UNIT)])?;
    assert!(load(run.path()).is_ok());
    refuses!(load(&run.path().join("no")), Error::Train(TrainError::NoRun { missing: "the folder", .. }));
    refuses!(load(&run.path().join(RUN)), Error::Train(TrainError::NoRun { missing: "the folder", .. }));
    std::fs::rename(run.path().join(MODEL), run.path().join("away"))?;
    refuses!(load(run.path()), Error::Train(TrainError::NoRun { missing: "model.safetensors", .. }));
    std::fs::write(run.path().join(MODEL), "no tensors")?;
    refuses!(load(run.path()), Error::Checkpoint(CheckpointError::Corrupt { .. }));
    std::fs::write(run.path().join(RUN), "[model]\nlayer = []")?;
    refuses!(load(run.path()), Error::Config(_));
    std::fs::remove_file(run.path().join(RUN))?;
    refuses!(load(run.path()), Error::Train(TrainError::NoRun { missing: "run.toml", .. }));
    Ok(())
}

fn weights() -> Result<(), Failed> {
    let run = folder(RUN_OF_TWO, &[("0.weight", &[2, 3], &[0.0; 6]), ("0.bias", &[2], &[0.0; 2])])?;
    let found = Predictor::load(run.path(), &F32);
    let Err(Error::Checkpoint(CheckpointError::Mismatch { missing, extra, misshaped, .. })) = found else {
        return Err(format!("{found:?}").into());
    };
    assert_eq!((missing.len(), extra.len(), misshaped.len()), (0, 1, 1));
    assert_eq!((extra[0].0.as_str(), misshaped[0].name.as_str()), ("0.bias", "0.weight"));
    Ok(())
}

fn shapes() -> Result<(), Failed> {
    let run = folder(RUN_OF_TWO, &[("0.weight", &[2, 2], &UNIT)])?;
    let mut model = Predictor::load(run.path(), &F32)?;
    refuses!(model.predict(&unlabelled(&[1.0; 6], [3])), Error::Train(TrainError::Input { input, data }) if **input == [2] && **data == [3]);
    // As many numbers in another shape are taken, as in training.
    assert_eq!(model.outputs(&unlabelled(&[1.0, 2.0], [2, 1, 1]))?.values.to_f64(), [1.0, 2.0]);

    let anywhere = "[data]\nsource = 'npz:absent.npz'\n[model]\nlayers = [{ type = 'linear', out = 2, bias = false }]";
    let run = folder(anywhere, &[("0.weight", &[2, 2], &UNIT)])?;
    let mut model = Predictor::load(run.path(), &F32)?;
    refuses!(model.predict(&unlabelled(&[1.0; 3], [3])), Error::Train(TrainError::Misfit { tensors, .. }) if *tensors[0].found == [2, 2] && *tensors[0].expected == [2, 3]);
    refuses!(
        model.predict(&unlabelled(&[1.0; 4], [2, 2])),
        Error::Train(TrainError::Output { found, .. }) if **found == [2, 2]
    );
    assert!(model.predict(&unlabelled(&[1.0; 2], [2])).is_ok());
    refuses!(model.predict(&unlabelled(&[1.0; 3], [3])), Error::Train(TrainError::Misfit { tensors, .. }) if *tensors[0].found == [2, 2]);
    // Here the names say that it is not the data's fault.
    let run = folder(anywhere, &[("1.weight", &[2, 2], &UNIT)])?;
    let found = Predictor::load(run.path(), &F32)?.predict(&unlabelled(&[1.0; 2], [2]));
    refuses!(found, Error::Checkpoint(CheckpointError::Mismatch { .. }));

    let pictures = "[model]\ninput = [1, 1, 2]\nlayers = [{ type = 'conv2d', out = 2, kernel = 1, bias = false }]";
    let run = folder(pictures, &[("0.weight", &[2, 1, 1, 1], &[1.0, 2.0])])?;
    let mut model = Predictor::load(run.path(), &F32)?;
    refuses!(model.predict(&unlabelled(&[1.0; 2], [2])), Error::Train(TrainError::Output { found, .. }) if **found == [2, 1, 2]);
    Ok(())
}

fn targets() -> Result<(), Failed> {
    let set = |targets| Dataset::new(Values::F64(vec![1.0; 4]), Shape::from([2]), targets);
    let classes = |labels: [u32; 2]| set(Targets::Classes { labels: labels.to_vec(), classes: 9 });
    let numbers =
        |width: usize| set(Targets::Values { values: Values::F64(vec![0.5; 2 * width]), shape: Shape::from([width]) });
    let run = folder(RUN_OF_TWO, &[("0.weight", &[2, 2], &UNIT)])?;
    let mut model = Predictor::load(run.path(), &F32)?;
    refuses!(model.evaluate(&unlabelled(&[1.0; 4], [2])), Error::Train(TrainError::NoTargets { rows: 2 }));
    refuses!(model.evaluate(&classes([1, 2])?), Error::Data(DataError::Label { row: 1, label: 2, classes: 2 }));
    refuses!(model.evaluate(&classes([0, 2])?.select(&[1])), Error::Data(DataError::Label { row: 1, .. }));
    refuses!(model.evaluate(&numbers(2)?), Error::Data(DataError::TargetKind { expected: "classes", .. }));
    // Fewer classes than the model has are no mistake.
    assert_eq!(model.evaluate(&classes([0, 0])?)?.accuracy, Some(1.0));

    let run = folder(&format!("{RUN_OF_TWO}\nloss = 'mse'"), &[("0.weight", &[2, 2], &UNIT)])?;
    let mut model = Predictor::load(run.path(), &F32)?;
    refuses!(model.evaluate(&classes([0, 0])?), Error::Data(DataError::TargetKind { expected: "numbers", .. }));
    refuses!(model.evaluate(&numbers(3)?), Error::Graph(_));
    let judged = model.evaluate(&numbers(2)?)?;
    assert_eq!((judged.loss, judged.rmse), (0.25, Some(0.5)));
    let far = Targets::Values { values: Values::F64(vec![3e38; 4]), shape: Shape::from([2]) };
    refuses!(model.evaluate(&set(far)?), Error::Train(TrainError::NonFiniteEvaluation { first: 0, last: 1, .. }));
    Ok(())
}

fn non_finite() -> Result<(), Failed> {
    let run = folder(RUN_OF_TWO, &[("0.weight", &[2, 2], &[1.0, 0.0, 2.0, f64::MAX])])?;
    let rows = |n: usize, at: usize| -> Dataset {
        let x: Vec<f64> = (0..2 * n).map(|i| if i == 2 * at + 1 { 3.0 } else { 0.0 }).collect();
        unlabelled(&x, [2])
    };
    let mut model = Predictor::load(run.path(), &Device::Cpu(Precision::F64))?;
    for (n, at) in [(1, 0), (300, 299), (600, 256)] {
        refuses!(model.outputs(&rows(n, at)), Error::Train(TrainError::NonFiniteOutput { row, output: 1, .. }) if *row == at);
    }
    // The row is that of the source, whichever part of it was taken.
    let part = rows(300, 7).select(&[3, 7]);
    refuses!(model.predict(&part), Error::Train(TrainError::NonFiniteOutput { row: 7, .. }));
    // In f32 the weights are beyond it before any output is, and so are the data.
    refuses!(
        Predictor::load(run.path(), &F32),
        Error::Checkpoint(CheckpointError::NonFinite { place: 3, floats: "f32", .. })
    );
    let run = folder(RUN_OF_TWO, &[("0.weight", &[2, 2], &UNIT)])?;
    let mut model = Predictor::load(run.path(), &F32)?;
    refuses!(
        model.predict(&unlabelled(&[0.0, 1e39], [2])),
        Error::Data(DataError::BeyondF32 { row: 0, column: 1, .. })
    );
    Ok(())
}

fn standardisations() -> Result<(), Failed> {
    let toml = format!("[data]\nstandardise = true\n{RUN_OF_TWO}");
    let run = folder(&toml, &[("0.weight", &[2, 2], &UNIT)])?;
    let file = run.path().join(STANDARDISATION);
    refuses!(
        Predictor::load(run.path(), &F32),
        Error::Train(TrainError::NoRun { missing: "standardisation.json", .. })
    );
    for text in ["", "{}", "{\"mean\":[1],\"std\":[null]}", "[1,2]"] {
        std::fs::write(&file, text)?;
        refuses!(Predictor::load(run.path(), &F32), Error::Train(TrainError::BadStandardisation { .. }));
    }
    std::fs::write(&file, "{\"mean\":[1,2,3],\"std\":[1,1,1]}")?;
    let found = Predictor::load(run.path(), &F32)?.predict(&unlabelled(&[1.0; 2], [2]));
    refuses!(found, Error::Data(DataError::Channels { mean: 3, channels: 2, .. }));
    std::fs::write(&file, "{\"mean\":[1,2],\"std\":[2,0.5]}")?;
    let found = Predictor::load(run.path(), &F32)?.outputs(&unlabelled(&[2.0, 3.0], [2]))?;
    assert_eq!(found.values.to_f64(), [0.5, 2.0]);

    // Pictures given as rows have the channels that the model sees.
    let toml = "[data]\nstandardise = true\n[model]\ninput = [1, 1, 2]\n\
                layers = [{ type = 'flatten' }, { type = 'linear', out = 2, bias = false }]";
    let run = folder(toml, &[("1.weight", &[2, 2], &UNIT)])?;
    std::fs::write(run.path().join(STANDARDISATION), "{\"mean\":[1.0],\"std\":[2.0]}")?;
    let found = Predictor::load(run.path(), &F32)?.outputs(&unlabelled(&[2.0, 3.0], [2]))?;
    assert_eq!(found.values.to_f64(), [0.5, 1.0]);
    Ok(())
}

/// A CSV file is read by what the model takes.
fn columns() -> Result<(), Failed> {
    let run = folder(RUN_OF_TWO, &[("0.weight", &[2, 2], &UNIT)])?;
    let mut model = Predictor::load(run.path(), &F32)?;
    let path = run.path().join("x.csv");
    let mut given = |text: &str| {
        std::fs::write(&path, text).expect("a file");
        Source::Csv(path.clone()).given(Path::new(""), &mut |shape| model.takes(shape))
    };
    let labelled = given("a,b,class\n1,2,0\n3,4,1\n")?.undivided.ok_or("no rows")?;
    assert!(labelled.is_labelled() && labelled.rows() == 2);
    let alone = given("a,b\n1,2\n3,4\n")?.undivided.ok_or("no rows")?;
    assert!(!alone.is_labelled() && alone.features() == labelled.features());
    refuses!(given("1,2,3,0\n"), Error::Data(DataError::Given(GivenError::Columns { found: 4, .. })));
    refuses!(given("1\n"), Error::Data(DataError::Given(GivenError::Columns { found: 1, .. })));
    refuses!(given("a,b\n"), Error::Data(DataError::Empty { .. }));
    refuses!(given("1,2\n3\n"), Error::Data(DataError::Ragged { line: 2, .. }));
    refuses!(given("1,2\n3,x\n"), Error::Data(DataError::NotANumber { line: 2, column: 2, .. }));
    refuses!(given("1,2,0.5\n"), Error::Data(DataError::BadClass { line: 1, .. }));
    // What is wrong with the weights is not the columns' fault.
    std::fs::write(
        run.path().join(RUN),
        "[data]\nsource = 'npz:absent.npz'\n[model]\nlayers = [{ type = 'linear', out = 2 }]",
    )?;
    let mut model = Predictor::load(run.path(), &F32)?;
    let found = Source::Csv(path.clone()).given(Path::new(""), &mut |shape| model.takes(shape));
    refuses!(found, Error::Checkpoint(CheckpointError::Mismatch { missing, .. }) if missing.len() == 1);
    Ok(())
}

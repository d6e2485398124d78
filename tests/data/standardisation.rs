//! Channels of mean 0 and standard deviation 1.

use std::fs;
use std::path::Path;

use thalweg::Shape;
use thalweg::data::{DataError, Dataset, Split, Standardisation, Targets, Values};

fn set(values: Values, shape: impl Into<Shape>) -> Dataset {
    let shape = shape.into();
    let rows = values.len() / shape.elements();
    Dataset::new(values, shape, Targets::Classes { labels: vec![0; rows], classes: 1 }).unwrap()
}

/// Two images of two channels of 1 x 2: channel 0 holds 1, 3, 5, 7 (mean 4, squares 9 + 1 + 1 + 9, so σ = √5), channel 1
/// holds -2, -2, 2, 2 (mean 0, σ = 2).
const IMAGES: [f64; 8] = [1.0, 3.0, -2.0, -2.0, 5.0, 7.0, 2.0, 2.0];

#[test]
fn by_hand_over_channels() {
    let root = 5.0_f64.sqrt();
    let images = set(Values::F64(IMAGES.to_vec()), [2, 1, 2]);
    let fitted = Standardisation::fit(&images).unwrap();
    assert_eq!(fitted, Standardisation { mean: vec![4.0, 0.0], std: vec![root, 2.0] });
    let right = [-3.0 / root, -1.0 / root, -1.0, -1.0, 1.0 / root, 3.0 / root, 1.0, 1.0];
    assert_eq!(fitted.apply(images).unwrap().features(), &Values::F64(right.to_vec()));

    let narrow = set(Values::F32(IMAGES.map(|x| x as f32).to_vec()), [2, 1, 2]);
    assert_eq!(Standardisation::fit(&narrow).unwrap(), fitted);
    assert_eq!(fitted.apply(narrow).unwrap().features(), &Values::F32(right.map(|x| x as f32).to_vec()));
}

#[test]
fn by_hand_over_features() {
    let rows = set(Values::F64(vec![1.0, 10.0, 3.0, 10.0]), [2]);
    let fitted = Standardisation::fit(&rows).unwrap();
    assert_eq!(fitted, Standardisation { mean: vec![2.0, 10.0], std: vec![1.0, 1.0] });
    assert_eq!(fitted.apply(rows).unwrap().features().to_f64(), [-1.0, 0.0, 1.0, 0.0]);
}

/// The mean of ten times 0.1 is not 0.1, so what is left of it is no measure of being constant.
#[test]
fn a_constant_channel_becomes_zero() {
    let rows = set(Values::F64(vec![0.1; 10]), [1]);
    assert_ne!([0.1; 10].iter().sum::<f64>() / 10.0, 0.1);
    let (split, fitted) = Split::hold_out(rows, 0.0, "tenths").unwrap().standardised().unwrap();
    assert_eq!(fitted, Standardisation { mean: vec![0.1], std: vec![1.0] });
    assert_eq!(split.train.features().to_f64(), [0.0; 10]);
    assert_eq!(
        split.description,
        "tenths: 10 rows, none held out; standardised (1 of 1 channels constant: σ taken as 1)"
    );
}

#[test]
fn a_large_mean_keeps_a_small_deviation() {
    let rows = set(Values::F64(vec![1e9 - 1.0, 1e9 + 1.0]), [1]);
    assert_eq!(Standardisation::fit(&rows).unwrap(), Standardisation { mean: vec![1e9], std: vec![1.0] });
}

#[test]
fn only_the_training_part_is_looked_at() {
    let train = set(Values::F64(vec![1.0, 3.0]), [1]);
    for other in [-7.0, 1e12] {
        let validation = Some(set(Values::F64(vec![other]), [1]));
        let split = Split { train: train.clone(), validation, description: "two".into() };
        let (split, fitted) = split.standardised().unwrap();
        assert_eq!(fitted, Standardisation { mean: vec![2.0], std: vec![1.0] });
        assert_eq!(split.train.features().to_f64(), [-1.0, 1.0]);
        assert_eq!(split.validation.unwrap().features().to_f64(), [other - 2.0]);
        assert_eq!(split.description, "two; standardised");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let images = || set(Values::F64(IMAGES.to_vec()), [2, 1, 2]);
    let apply = |mean: &[f64], std: &[f64]| {
        Standardisation { mean: mean.to_vec(), std: std.to_vec() }.apply(images()).unwrap_err()
    };
    let error = apply(&[0.0], &[1.0, 1.0]);
    assert!(matches!(error, DataError::Channels { mean: 1, std: 2, channels: 2 }), "{error:?}");
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = apply(&[0.0, 0.0], &[1.0, bad]);
        assert!(matches!(error, DataError::BadChannel { channel: 1, .. }), "{error:?}");
    }
    let error = apply(&[f64::NAN, 0.0], &[1.0, 1.0]);
    assert!(matches!(error, DataError::BadChannel { channel: 0, .. }), "{error:?}");
    let error = apply(&[0.0, 0.0], &[1e-308, 1.0]);
    assert!(matches!(error, DataError::NotFinite { row: 1, .. } | DataError::NotFinite { row: 0, .. }), "{error:?}");
    let error = Standardisation::fit(&set(Values::F64(vec![1e308, 1.7e308]), [1])).unwrap_err();
    assert!(matches!(error, DataError::BadChannel { channel: 0, .. }), "{error:?}");
    let error = Standardisation::fit(&set(Values::F64(vec![0.0, 1e-300]), [1])).unwrap_err();
    assert!(matches!(error, DataError::BadChannel { channel: 0, .. }), "{error:?}");
}

#[test]
fn its_json_is_read_back() {
    let fitted = Standardisation { mean: vec![0.5, -2.25], std: vec![0.125, 3.0] };
    let text = serde_json::to_string(&fitted).unwrap();
    assert_eq!(text, r#"{"mean":[0.5,-2.25],"std":[0.125,3.0]}"#);
    assert_eq!(serde_json::from_str::<Standardisation>(&text).unwrap(), fitted);
    // To the bit, whatever the digits: a run is judged by what trained it. (serde_json's quicker reading, which it takes
    // without `float_roundtrip`, misses by a unit in the last place now and then.)
    let draw = thalweg::rng::Stream::new(1, 2, 3);
    let number = |i: u32| (draw.uniform(2 * i) + 0.1) * 10f64.powf(600.0 * draw.uniform(2 * i + 1) - 300.0);
    let fitted = Standardisation { mean: (0..2000).map(number).collect(), std: (2000..4000).map(number).collect() };
    let text = serde_json::to_string(&fitted).unwrap();
    assert_eq!(serde_json::from_str::<Standardisation>(&text).unwrap(), fitted);
}

/// Examples without targets are standardised as those with, and keep the rows they came from.
#[test]
fn without_targets() {
    let fitted = Standardisation { mean: vec![1.0], std: vec![2.0] };
    let all = Dataset::unlabelled(Values::F64(vec![1.0, 5.0, 3.0]), [1].into()).unwrap();
    let some = fitted.apply(all.select(&[2, 1])).unwrap();
    assert!(!some.is_labelled());
    assert_eq!(some.features().to_f64(), [1.0, 2.0]);
    let labelled = set(Values::F64(vec![0.0, 1e39]), [1]);
    let beyond = fitted.apply(labelled.select(&[1])).unwrap().check_f32();
    assert!(matches!(beyond, Err(DataError::BeyondF32 { row: 1, .. })), "{beyond:?}");
    assert!(matches!(Dataset::unlabelled(Values::F64(vec![1.0; 3]), [2].into()), Err(DataError::WrongLength { .. })));
    assert!(matches!(Dataset::unlabelled(Values::F64(vec![f64::NAN]), [1].into()), Err(DataError::NotFinite { .. })));
    assert!(matches!(Dataset::unlabelled(Values::F64(vec![]), [1].into()), Err(DataError::Empty { .. })));
}

/// `standardise = true` of a run, on a file.
#[test]
fn a_run_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), "1,4,0\n3,4,1\n").unwrap();
    let text = "[data]\nsource = 'csv:t.csv'\nvalidation = 0";
    let run = thalweg::train::config::RunConfig::parse(text, &[]).unwrap();
    let (plain, none) = run.data.load(folder.path()).unwrap();
    assert_eq!((plain.train.features().to_f64(), none), (vec![1.0, 4.0, 3.0, 4.0], None));
    let run = thalweg::train::config::RunConfig::parse(&format!("{text}\nstandardise = true"), &[]).unwrap();
    let (split, fitted) = run.data.load(folder.path()).unwrap();
    assert_eq!(split.train.features().to_f64(), [-1.0, 0.0, 1.0, 0.0]);
    assert_eq!(fitted, Some(Standardisation { mean: vec![2.0, 4.0], std: vec![1.0, 1.0] }));
    assert!(run.data.load(Path::new("elsewhere")).is_err());
}

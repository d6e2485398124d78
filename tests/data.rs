//! Reading data: what numpy wrote is read right, and what is wrong is named.

#[path = "data/cifar.rs"]
mod cifar;
#[path = "data/idx.rs"]
mod idx;
#[path = "data/images.rs"]
mod images;
#[path = "data/standardisation.rs"]
mod standardisation;

use std::fs;
use std::path::{Path, PathBuf};

use thalweg::Shape;
use thalweg::data::{DataError, Dataset, Source, Split, Targets, Values, order, steps};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/data").join(name)
}

fn npz(name: &str) -> Result<Split, DataError> {
    Source::Npz(name.into()).load(&golden(""), 0.0)
}

fn csv(text: impl AsRef<[u8]>) -> Result<Split, DataError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), text).unwrap();
    Source::Csv("t.csv".into()).load(folder.path(), 0.0)
}

fn labels(set: &Dataset) -> (&[u32], usize) {
    match set.targets() {
        Targets::Classes { labels, classes } => (labels, *classes),
        other => panic!("expected classes, found {other:?}"),
    }
}

/// The formula of `make_npz.py`: 0, 1, 2, … of shape `[5, 2, 3]`.
fn counts() -> Vec<f64> {
    (0..30).map(f64::from).collect()
}

fn quarters() -> Vec<f64> {
    counts().into_iter().map(|k| k / 4.0 - 2.0).collect()
}

#[test]
fn digits_are_the_uci_test_part() {
    let split = Source::Digits.load(Path::new("."), 0.0).unwrap();
    assert!(split.validation.is_none());
    let all = split.train;
    assert_eq!((all.rows(), all.shape()), (1797, &Shape::from([1, 8, 8])));
    assert!(matches!(all.features(), Values::F32(_)));
    // First line of the file: 0,0,5,13,9,1,0,0, … class 0.
    assert_eq!(all.features().to_f32()[..8], [0.0, 0.0, 0.3125, 0.8125, 0.5625, 0.0625, 0.0, 0.0]);
    let (labels, classes) = labels(&all);
    assert_eq!((&labels[..10], classes), (&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9][..], 10));
    assert!(all.features().iter().all(|p| (0.0..=1.0).contains(&p)));
}

#[test]
fn a_split_parts_the_rows() {
    for (rows, share, held) in [(10, 0.25, 3), (10, 0.24, 2), (10, 0.001, 1), (2, 0.9, 1), (10, 0.999, 9), (1, 0.5, 0)]
    {
        let features = Values::F64((0..rows).map(f64::from).collect());
        let targets = Targets::Classes { labels: vec![0; rows as usize], classes: 1 };
        let all = Dataset::new(features, Shape::from([1]), targets).unwrap();
        let split = Split::hold_out(all.clone(), share, "rows").unwrap();
        let kept = split.train.features().to_f64();
        let out = split.validation.as_ref().map_or_else(Vec::new, |v| v.features().to_f64());
        assert_eq!(out.len(), held, "{rows} rows, share {share}");
        assert!(kept.is_sorted() && out.is_sorted(), "both parts keep the source's order");
        let mut both = [kept, out].concat();
        both.sort_by(f64::total_cmp);
        assert_eq!(both, all.features().to_f64());
        assert_eq!(Split::hold_out(all, share, "rows").unwrap(), split);
    }
    for share in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
        let error = Source::Digits.load(Path::new("."), share).unwrap_err();
        assert!(matches!(error, DataError::Validation { .. }), "{error}");
    }
}

#[test]
fn every_epoch_takes_every_row() {
    assert_eq!(order(3, 0, 5, false), [0, 1, 2, 3, 4]);
    let mut shuffled = order(3, 1, 257, true);
    assert_ne!(shuffled, order(3, 2, 257, true));
    assert_ne!(shuffled, order(4, 1, 257, true));
    shuffled.sort_unstable();
    assert_eq!(shuffled, order(3, 1, 257, false));
    assert_eq!([steps(64, 64), steps(65, 64), steps(1, 64)], [1, 2, 1]);
}

#[test]
fn sources_by_name() {
    assert_eq!("digits".parse::<Source>().unwrap(), Source::Digits);
    assert_eq!("csv:a:b.csv".parse::<Source>().unwrap(), Source::Csv("a:b.csv".into()));
    assert_eq!("npz:x/y.npz".parse::<Source>().unwrap().to_string(), "npz:x/y.npz");
    for text in ["idx:mnist", "cifar10:c", "cifar100:c:d", "images:a/b"] {
        let source = text.parse::<Source>().unwrap();
        assert_eq!(
            (source.to_string().as_str(), source.path()),
            (text, Some(Path::new(&text[text.find(':').unwrap() + 1..])))
        );
    }
    for unknown in ["idx:", "cifar:dir", "images", "digits:", "csv:", "npz", "", "Digits"] {
        let error = unknown.parse::<Source>().unwrap_err().to_string();
        assert!(error.contains(&format!("`{unknown}`")) && error.contains("csv:FILE, npz:FILE, idx:DIR"), "{error}");
    }
}

#[test]
fn csv_is_read_in_f64() {
    for text in [
        "0.1,-2,1\n1e-300,4,0\n",
        "width, height ,class\n0.1,-2,1\n1e-300,4,0",
        "\u{feff}a,b,c\r\n0.1,-2,1\r\n\r\n1e-300, 4 ,0.0\r\n\r\n",
        "\"0.1\",-2,1\n\n\n1e-300,4,0e0\n\n",
    ] {
        let all = csv(text).unwrap().train;
        assert_eq!(all.features(), &Values::F64(vec![0.1, -2.0, 1e-300, 4.0]), "{text:?}");
        assert_eq!((all.shape(), labels(&all)), (&Shape::from([2]), (&[1, 0][..], 2)));
    }
    let wide = csv("1e39,0\n1,1\n").unwrap().train;
    let beyond = wide.check_f32().unwrap_err();
    assert!(matches!(beyond, DataError::BeyondF32 { row: 0, column: 0, .. }));
    assert!(beyond.to_string().len() < 160, "a number with no more digits than it takes: {beyond}");
}

#[test]
fn csv_errors_name_line_and_column() {
    type Is = fn(&DataError) -> bool;
    let cases: &[(&str, Is)] = &[
        ("1,2,0\n1,2\n", |e| matches!(e, DataError::Ragged { line: 2, found: 2, expected: 3, .. })),
        ("1,2,0\r\n\r\n1,2,3,0", |e| matches!(e, DataError::Ragged { line: 3, found: 4, expected: 3, .. })),
        ("a,b,c\n1,2\n", |e| matches!(e, DataError::Ragged { line: 2, found: 2, .. })),
        (
            "1,2,0\n1,two,1\n",
            |e| matches!(e, DataError::NotANumber { line: 2, column: 2, found, .. } if found == "two"),
        ),
        ("1,2,0\r\n1,2,0\r\n1,,1\r\n", |e| matches!(e, DataError::NotANumber { line: 3, column: 2, .. })),
        ("a,2,0\n1,2,0\n", |e| matches!(e, DataError::NotANumber { line: 1, column: 1, .. })),
        ("a,b\nc,d\n", |e| matches!(e, DataError::NotANumber { line: 2, column: 1, .. })),
        ("1,2,cat\n", |e| matches!(e, DataError::NotANumber { line: 1, column: 3, found, .. } if found == "cat")),
        ("1,2,-1\n", |e| matches!(e, DataError::BadClass { line: 1, found, .. } if found == "-1")),
        ("1,2,0\n1,2,1.5\n", |e| matches!(e, DataError::BadClass { line: 2, .. })),
        ("1,2,4294967295\n", |e| matches!(e, DataError::BadClass { line: 1, .. })),
        ("1,nan,0\n", |e| matches!(e, DataError::NotFiniteCell { line: 1, column: 2, .. })),
        ("1,2,0\n-inf,2,0\n", |e| matches!(e, DataError::NotFiniteCell { line: 2, column: 1, .. })),
        ("1,1e999,0\n", |e| matches!(e, DataError::NotFiniteCell { line: 1, column: 2, .. })),
        ("1,2,inf\n", |e| matches!(e, DataError::NotFiniteCell { line: 1, column: 3, .. })),
        ("1\n2\n", |e| matches!(e, DataError::TooFewColumns { line: 1, found: 1, .. })),
        ("1;2;0\n", |e| matches!(e, DataError::TooFewColumns { .. })),
        ("", |e| matches!(e, DataError::Empty { .. })),
        ("\n\n", |e| matches!(e, DataError::Empty { .. })),
        ("a,b,c\n", |e| matches!(e, DataError::Empty { .. })),
    ];
    for (text, is) in cases {
        let error = csv(text).unwrap_err();
        assert!(is(&error), "{text:?}: {error:?}");
        assert!(error.to_string().contains("t.csv"), "{error}");
    }
    let error = csv(b"1,\xff\xfe,0\n").unwrap_err();
    assert!(matches!(error, DataError::NotANumber { line: 1, column: 2, .. }), "{error:?}");
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    for source in [
        Source::Csv("none.csv".into()),
        Source::Npz("none.npz".into()),
        Source::Csv("folder".into()),
        Source::Npz("folder".into()),
    ] {
        let error = source.load(folder.path(), 0.2).unwrap_err();
        assert!(matches!(&error, DataError::Unreadable { path, .. } if path.starts_with(folder.path())), "{error:?}");
    }
}

#[test]
fn numpy_arrays_of_every_width_and_order() {
    for (file, features, single) in [
        ("f64.npz", quarters(), false),
        ("f32_fortran.npz", quarters(), true),
        ("f16.npz", quarters(), true),
        ("u8_compressed.npz", counts(), true),
        ("i64_fortran.npz", counts(), false),
        ("big_endian.npz", quarters(), false),
    ] {
        let split = npz(file).unwrap();
        assert!(split.validation.is_none());
        let all = split.train;
        assert_eq!(all.features().to_f64(), features, "{file}");
        assert_eq!(matches!(all.features(), Values::F32(_)), single, "{file}");
        assert_eq!((all.shape(), all.rows()), (&Shape::from([2, 3]), 5));
        assert_eq!(labels(&all), (&[0, 1, 2, 0, 1][..], 3));
    }
}

#[test]
fn numpy_splits_and_float_targets() {
    // The file's own split wins over `validation`; classes are counted over both parts.
    let split = Source::Npz("split.npz".into()).load(&golden(""), 0.4).unwrap();
    let held = split.validation.unwrap();
    assert_eq!((split.train.rows(), held.rows()), (5, 2));
    assert_eq!((labels(&split.train).1, labels(&held)), (5, (&[4, 0][..], 5)));
    assert_eq!(held.features().to_f64(), quarters()[..12]);

    let split = Source::Npz("f64.npz".into()).load(&golden(""), 0.4).unwrap();
    assert_eq!((split.train.rows(), split.validation.unwrap().rows()), (3, 2));

    let all = npz("regression.npz").unwrap().train;
    let x = vec![-2.0, -0.5, 1.0, 2.5, 4.0];
    assert_eq!((all.features(), all.shape()), (&Values::F64(x.clone()), &Shape::from([1])));
    let y = x.iter().map(|&x| x as f32 * 3.0).collect();
    assert_eq!(all.targets(), &Targets::Values { values: Values::F32(y), shape: Shape::from([1]) });
    let wide = npz("regression_wide.npz").unwrap().train;
    assert!(matches!(wide.targets(), Targets::Values { shape, .. } if *shape == Shape::from([2])));
}

#[test]
fn npz_errors_name_the_array() {
    type Is = fn(&DataError) -> bool;
    let cases: &[(&str, Is)] = &[
        (
            "no_y.npz",
            |e| matches!(e, DataError::MissingArray { name: "y_train", present, .. } if present == &["other", "x_train"]),
        ),
        ("no_y_val.npz", |e| matches!(e, DataError::MissingArray { name: "y_val", .. })),
        (
            "complex.npz",
            |e| matches!(e, DataError::WrongDtype { array: "x_train", found, .. } if found.contains("<c8")),
        ),
        ("text_labels.npz", |e| matches!(e, DataError::WrongDtype { array: "y_train", .. })),
        ("objects.npz", |e| matches!(e, DataError::WrongDtype { array: "x_train", .. })),
        ("lengths.npz", |e| matches!(e, DataError::LengthMismatch { rows: 5, found: 4, .. })),
        ("val_shape.npz", |e| {
            matches!(e, DataError::SplitShape { expected, found, .. }
                if *expected == Shape::from([2, 3]) && *found == Shape::from([1, 3]))
        }),
        ("val_kind.npz", |e| matches!(e, DataError::WrongDtype { array: "y_val", .. })),
        ("negative.npz", |e| matches!(e, DataError::BadClassAt { array: "y_train", row: 0, found: -1, .. })),
        ("one_hot.npz", |e| matches!(e, DataError::WrongShape { array: "y_train", .. })),
        ("nan.npz", |e| matches!(e, DataError::NotFinite { array, row: 3, column: 3, .. } if array == "x_train")),
        (
            "inf_target.npz",
            |e| matches!(e, DataError::NotFinite { array, row: 2, column: 1, .. } if array == "y_train"),
        ),
        ("empty.npz", |e| matches!(e, DataError::Empty { of } if of == "x_train")),
        ("scalar.npz", |e| matches!(e, DataError::WrongShape { array: "x_train", .. })),
    ];
    for (file, is) in cases {
        let error = npz(file).unwrap_err();
        assert!(is(&error), "{file}: {error:?}");
        assert!(error.to_string().contains('`'), "{error}");
    }
}

fn load_bytes(bytes: &[u8], folder: &Path) -> Result<Split, DataError> {
    fs::write(folder.join("t.npz"), bytes).unwrap();
    Source::Npz("t.npz".into()).load(folder, 0.0)
}

#[test]
fn npz_cut_short_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["f64.npz", "u8_compressed.npz", "split.npz"] {
        let whole = fs::read(golden(file)).unwrap();
        for length in 0..whole.len() {
            let error =
                load_bytes(&whole[..length], folder.path()).expect_err("a part of a file was taken for a whole");
            assert!(matches!(error, DataError::BadNpz { .. }), "{file} cut to {length}: {error:?}");
        }
    }
}

#[test]
fn npz_with_one_wrong_byte_does_not_panic() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["f16.npz", "u8_compressed.npz"] {
        let whole = fs::read(golden(file)).unwrap();
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                // Most are refused; a byte that carries nothing (a time stamp) may differ.
                if let Ok(split) = load_bytes(&bytes, folder.path()) {
                    assert_eq!(split.train, npz(file).unwrap().train, "{file}, byte {at}");
                }
            }
        }
    }
}

#[test]
fn a_data_set_is_checked_when_it_is_made() {
    let two = |labels: Vec<u32>| Targets::Classes { labels, classes: 2 };
    let new = |x: Vec<f32>, width: usize, y| Dataset::new(Values::F32(x), Shape::from([width]), y).unwrap_err();
    assert!(matches!(new(vec![], 2, two(vec![])), DataError::Empty { .. }));
    assert!(matches!(new(vec![1.0], 0, two(vec![])), DataError::Empty { .. }));
    assert!(matches!(new(vec![1.0; 5], 2, two(vec![0; 2])), DataError::WrongLength { rows: 2, expected: 4, .. }));
    assert!(matches!(new(vec![1.0; 4], 2, two(vec![0; 3])), DataError::LengthMismatch { rows: 2, found: 3, .. }));
    let error = new(vec![1.0; 4], 2, two(vec![0, 2]));
    assert!(matches!(error, DataError::Label { row: 1, label: 2, classes: 2 }), "{error:?}");
    let error = new(vec![1.0, 2.0, 3.0, f32::INFINITY], 2, two(vec![0, 1]));
    assert!(matches!(error, DataError::NotFinite { row: 1, column: 1, .. }), "{error:?}");
    let numbers = |n| Targets::Values { values: Values::F64(vec![0.0; n]), shape: Shape::from([2]) };
    assert!(matches!(new(vec![1.0; 4], 2, numbers(3)), DataError::WrongLength { array: "targets", .. }));

    let set = Dataset::new(Values::F32(vec![1.0, 2.0, 3.0]), Shape::from([1]), two(vec![0, 1, 1])).unwrap();
    assert!(matches!(set.check_classes(1), Err(DataError::Label { row: 1, label: 1, classes: 1 })));
    assert!(set.check_classes(2).is_ok() && set.check_batch(3).is_ok() && set.check_f32().is_ok());
    assert!(matches!(set.check_batch(4), Err(DataError::BatchTooLarge { batch: 4, rows: 3 })));
    let some = set.select(&[2, 0, 2]);
    assert_eq!((some.features().to_f32(), labels(&some)), (vec![3.0, 1.0, 3.0], (&[1, 0, 1][..], 2)));
}

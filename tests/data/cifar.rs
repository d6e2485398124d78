//! The binary versions of CIFAR-10 and CIFAR-100, made here byte by byte as the format says.

use std::fs;
use std::path::Path;

use thalweg::Shape;
use thalweg::data::{DataError, Source, Split};

use super::labels;

/// A record of these labels: byte `k` of the red plane is `k + shade`, of the green `2 k`, of the blue `3 k`, all
/// modulo 256.
fn record(labels: &[u8], shade: usize) -> Vec<u8> {
    let plane = |factor: usize, shade: usize| (0..1024).map(move |k| (factor * k + shade) as u8);
    let mut bytes = labels.to_vec();
    bytes.extend(plane(1, shade).chain(plane(2, 0)).chain(plane(3, 0)));
    bytes
}

/// Five batches of two records, class = the record's number modulo 10, and a test batch of one of class 4.
fn write_ten(folder: &Path) {
    for batch in 0..5_u8 {
        let rows = (2 * batch..2 * batch + 2).flat_map(|row| record(&[row % 10], row.into())).collect::<Vec<_>>();
        fs::write(folder.join(format!("data_batch_{}.bin", batch + 1)), rows).unwrap();
    }
    fs::write(folder.join("test_batch.bin"), record(&[4], 77)).unwrap();
}

fn write_hundred(folder: &Path) {
    fs::write(folder.join("train.bin"), [record(&[19, 99], 0), record(&[0, 7], 1)].concat()).unwrap();
    fs::write(folder.join("test.bin"), record(&[3, 0], 2)).unwrap();
}

fn load(source: &str, folder: &Path) -> Result<Split, DataError> {
    source.parse::<Source>().unwrap().load(folder, 0.0)
}

/// What is wrong if one file holds `bytes`, the others being right.
fn with(source: &str, name: &str, bytes: impl AsRef<[u8]>) -> DataError {
    let folder = tempfile::tempdir().unwrap();
    if source == "cifar10:." {
        write_ten(folder.path())
    } else {
        write_hundred(folder.path())
    }
    fs::write(folder.path().join(name), bytes).unwrap();
    let error = load(source, folder.path()).expect_err("it is wrong");
    assert!(error.to_string().contains(name), "{error}");
    error
}

fn pixel(byte: usize) -> f32 {
    (byte % 256) as f32 / 255.0
}

#[test]
fn ten_classes_in_five_batches() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("cifar-10-batches-bin");
    fs::create_dir(&inner).unwrap();
    write_ten(&inner);
    for folder in [folder.path(), &inner] {
        let split = load("cifar10:.", folder).unwrap();
        let held = split.validation.unwrap();
        assert_eq!(split.train.shape(), &Shape::from([3, 32, 32]));
        assert_eq!(labels(&split.train), (&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9][..], 10));
        assert_eq!(labels(&held), (&[4][..], 10));
        let all = split.train.features().to_f32();
        assert_eq!(all.len(), 10 * 3072);
        for row in 0..10 {
            let one = &all[row * 3072..][..3072];
            for k in [0, 1, 31, 32, 255, 256, 1023] {
                assert_eq!([one[k], one[1024 + k], one[2048 + k]], [pixel(k + row), pixel(2 * k), pixel(3 * k)]);
            }
        }
        assert_eq!(held.features().to_f32()[..2], [pixel(77), pixel(78)]);
    }
}

#[test]
fn a_hundred_fine_classes() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("cifar-100-binary");
    fs::create_dir(&inner).unwrap();
    write_hundred(&inner);
    for folder in [folder.path(), &inner] {
        let split = load("cifar100:.", folder).unwrap();
        assert_eq!(labels(&split.train), (&[99, 7][..], 100));
        assert_eq!(split.train.features().to_f32()[3072..3074], [pixel(1), pixel(2)]);
        assert_eq!(labels(&split.validation.unwrap()), (&[0][..], 100));
    }
}

#[test]
fn cut_short_or_too_long_is_refused() {
    for (source, name, size) in [
        ("cifar10:.", "data_batch_1.bin", 3073),
        ("cifar10:.", "data_batch_4.bin", 3073),
        ("cifar10:.", "test_batch.bin", 3073),
        ("cifar100:.", "train.bin", 3074),
        ("cifar100:.", "test.bin", 3074),
    ] {
        let whole = record(if size == 3073 { &[1] } else { &[1, 1] }, 0).repeat(2);
        for length in (1..2 * size).step_by(97).chain([size - 1, size + 1, 2 * size - 1]) {
            let error = with(source, name, &whole[..length]);
            let to = (length.div_ceil(size) * size) as u64;
            assert!(
                matches!(error, DataError::WrongSize { expected, found, .. }
                    if (expected, found) == (to, length as u64)),
                "{name} cut to {length}: {error:?}"
            );
        }
        let error = with(source, name, []);
        assert!(matches!(error, DataError::Empty { .. }), "{error:?}");
    }
    // Cut short between two records: only the other batches tell.
    let error = with("cifar10:.", "data_batch_3.bin", record(&[1], 0));
    assert!(matches!(error, DataError::WrongSize { expected: 6146, found: 3073, .. }), "{error:?}");
}

#[test]
fn labels_out_of_range_name_the_byte() {
    let cases: [(&str, &str, Vec<u8>, u64, &str); 4] = [
        ("cifar10:.", "data_batch_2.bin", [record(&[9], 0), record(&[10], 0)].concat(), 3073, "from 0 to 9, found 10"),
        ("cifar10:.", "test_batch.bin", record(&[255], 0), 0, "record 0 (from 0), from 0 to 9, found 255"),
        (
            "cifar100:.",
            "train.bin",
            record(&[20, 0], 0),
            0,
            "coarse class of record 0 (from 0), from 0 to 19, found 20",
        ),
        ("cifar100:.", "test.bin", [record(&[1, 9], 0), record(&[1, 100], 0)].concat(), 3075, "fine class of record 1"),
    ];
    for (source, name, bytes, at, says) in cases {
        let error = with(source, name, bytes);
        assert!(matches!(error, DataError::BadBytes { offset, .. } if offset == at), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn missing_files_are_named() {
    for name in ["data_batch_1.bin", "data_batch_5.bin", "test_batch.bin"] {
        let folder = tempfile::tempdir().unwrap();
        write_ten(folder.path());
        fs::remove_file(folder.path().join(name)).unwrap();
        let text = load("cifar10:.", folder.path()).unwrap_err().to_string();
        assert!(text.contains(name) && text.contains("cifar-10-binary.tar.gz"), "{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    write_ten(folder.path());
    let error = load("cifar100:.", folder.path()).unwrap_err();
    assert!(matches!(&error, DataError::MissingFile { names, .. } if names == &["train.bin"]), "{error:?}");
    let error = load("cifar10:nowhere", folder.path()).unwrap_err();
    assert!(matches!(&error, DataError::Unreadable { path, .. } if path.ends_with("nowhere")), "{error:?}");
}

//! IDX files, made here byte by byte as the format says.

use std::fs;
use std::io::Write;
use std::path::Path;

use thalweg::Shape;
use thalweg::data::{DataError, Source, Split};

use super::labels;

const TRAIN: [u8; 3] = [3, 0, 7];
const HELD: [u8; 2] = [9, 1];

fn header(axes: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, axes.len() as u8];
    axes.iter().for_each(|axis| bytes.extend(axis.to_be_bytes()));
    bytes
}

/// Images of 2 x 3 pixels, pixel `k` of the file being `5 k + from`.
fn images(rows: u32, from: u8) -> Vec<u8> {
    let mut bytes = header(&[rows, 2, 3]);
    bytes.extend((0..rows as u8 * 6).map(|k| 5 * k + from));
    bytes
}

fn label_file(labels: &[u8]) -> Vec<u8> {
    [header(&[labels.len() as u32]), labels.to_vec()].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The four files by the part of their name before the mark.
fn files() -> [(&'static str, &'static str, Vec<u8>); 4] {
    [
        ("train-images", "idx3-ubyte", images(3, 0)),
        ("train-labels", "idx1-ubyte", label_file(&TRAIN)),
        ("t10k-images", "idx3-ubyte", images(2, 100)),
        ("t10k-labels", "idx1-ubyte", label_file(&HELD)),
    ]
}

fn write(folder: &Path, mark: char, packed: bool) {
    for (name, kind, bytes) in files() {
        let (bytes, end) = if packed { (gzip(&bytes), ".gz") } else { (bytes, "") };
        fs::write(folder.join(format!("{name}{mark}{kind}{end}")), bytes).unwrap();
    }
}

fn load(folder: &Path) -> Result<Split, DataError> {
    Source::Idx(folder.into()).load(Path::new(""), 0.2)
}

/// What is wrong if one file holds `bytes`, the others being right.
fn with(name: &str, bytes: impl AsRef<[u8]>) -> DataError {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), '-', false);
    fs::write(folder.path().join(name), bytes).unwrap();
    let error = load(folder.path()).expect_err("it is wrong");
    assert!(error.to_string().contains(name), "{error}");
    error
}

#[test]
fn plain_and_packed_under_both_names() {
    for (mark, packed) in [('-', false), ('.', false), ('-', true), ('.', true)] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), mark, packed);
        let split = load(folder.path()).unwrap();
        let held = split.validation.unwrap();
        assert_eq!(split.train.shape(), &Shape::from([1, 2, 3]));
        let pixels = |rows: u8, from: u8| (0..rows * 6).map(|k| f32::from(5 * k + from) / 255.0).collect::<Vec<_>>();
        assert_eq!(split.train.features().to_f32(), pixels(3, 0));
        assert_eq!(held.features().to_f32(), pixels(2, 100));
        assert_eq!(labels(&split.train), (&[3, 0, 7][..], 10));
        assert_eq!(labels(&held), (&[9, 1][..], 10));
        assert!(split.description.contains("3 rows, and 2 of its own"), "{}", split.description);
    }
}

#[test]
fn gzip_of_several_members_and_under_a_plain_name() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), '-', false);
    let bytes = images(3, 0);
    let members = [gzip(&bytes[..7]), gzip(&bytes[7..20]), gzip(&[]), gzip(&bytes[20..])].concat();
    fs::write(folder.path().join("train-images-idx3-ubyte"), members).unwrap();
    assert_eq!(load(folder.path()).unwrap().train.features().to_f32()[17], 85.0 / 255.0);
}

#[test]
fn cut_short_anywhere_is_refused() {
    for (name, kind, bytes) in files() {
        let name = format!("{name}-{kind}");
        for length in 0..bytes.len() {
            let error = with(&name, &bytes[..length]);
            let whole =
                if length < 4 + 4 * usize::from(bytes[3]) { 4 + 4 * usize::from(bytes[3]) } else { bytes.len() };
            assert!(
                matches!(error, DataError::WrongSize { expected, found, packed: false, .. }
                    if (expected, found) == (whole as u64, length as u64)),
                "{name} cut to {length}: {error:?}"
            );
        }
        let mut long = bytes.clone();
        long.push(0);
        let error = with(&name, &long);
        assert!(error.to_string().contains("behind its end"), "{error}");
        assert!(matches!(error, DataError::WrongSize { expected, found, .. } if found == expected + 1), "{error:?}");
    }
}

#[test]
fn packed_and_cut_short_anywhere_is_refused() {
    for (name, kind, content) in files() {
        let name = format!("{name}-{kind}");
        let bytes = gzip(&content);
        for length in 0..bytes.len() {
            match with(&name, &bytes[..length]) {
                // Too short to be known as gzip.
                DataError::WrongSize { found: 0, .. } if length == 0 => {}
                DataError::BadBytes { offset: 0, .. } if length == 1 => {}
                DataError::BadGzip { offset, unpacked, .. }
                    if length >= 2 && offset <= length as u64 && unpacked <= content.len() as u64 => {}
                error => panic!("{name} cut to {length}: {error:?}"),
            }
        }
        // What is wrong with the content is told by its bytes.
        let error = with(&name, gzip(&content[..content.len() - 2]));
        assert!(matches!(error, DataError::WrongSize { packed: true, .. }), "{error:?}");
        let error = with(&name, gzip(&[&content[..], &[0; 100]].concat()));
        assert!(matches!(error, DataError::WrongSize { packed: true, .. }), "{error:?}");
        // Bytes behind the gzip stream.
        let error = with(&name, [&bytes[..], b"more than nothing"].concat());
        assert!(matches!(error, DataError::BadGzip { .. }), "{error:?}");
        // A check sum that is none: the last eight bytes are CRC-32 and size.
        for at in bytes.len() - 8..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 1;
            let error = with(&name, wrong);
            assert!(matches!(error, DataError::BadGzip { .. }), "{error:?}");
        }
    }
}

#[test]
fn wrong_headers_name_the_byte() {
    let cases: [(&str, Vec<u8>, u64, &str); 5] = [
        ("train-images-idx3-ubyte", label_file(&TRAIN), 3, "mixed up"),
        ("t10k-labels-idx1-ubyte", images(2, 0), 3, "mixed up"),
        ("train-labels-idx1-ubyte", [&[0, 0, 13], &label_file(&TRAIN)[3..]].concat(), 2, "unsigned bytes"),
        ("t10k-images-idx3-ubyte", b"PK\x03\x04 is a zip file".to_vec(), 0, "no IDX file"),
        ("train-images-idx3-ubyte", header(&[u32::MAX, u32::MAX, u32::MAX]), 4, "64 bits"),
    ];
    for (name, bytes, at, says) in cases {
        let error = with(name, bytes);
        assert!(matches!(error, DataError::BadBytes { offset, .. } if offset == at), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&format!("byte {at}")) && text.contains(says), "{text}");
    }
    // Lengths no memory holds are only compared.
    for packed in [false, true] {
        let bytes = header(&[u32::MAX, 60_000, 2]);
        let error = with("train-images-idx3-ubyte", if packed { gzip(&bytes) } else { bytes });
        assert!(matches!(error, DataError::WrongSize { found: 16, .. }), "{error:?}");
    }
}

#[test]
fn parts_that_do_not_fit_together() {
    let error = with("train-labels-idx1-ubyte", label_file(&[1, 2]));
    assert!(matches!(error, DataError::LengthMismatch { rows: 3, found: 2, .. }), "{error:?}");
    for empty in [header(&[0, 2, 3]), header(&[3, 0, 3])] {
        let error = with("train-images-idx3-ubyte", empty);
        assert!(matches!(error, DataError::Empty { .. }), "{error:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), '-', false);
    let mut other = header(&[2, 3, 2]);
    other.extend([0; 12]);
    fs::write(folder.path().join("t10k-images-idx3-ubyte"), other).unwrap();
    let error = load(folder.path()).unwrap_err();
    assert!(
        matches!(&error, DataError::SplitShape { expected, found, .. }
            if (&expected[..], &found[..]) == (&[1, 2, 3], &[1, 3, 2])),
        "{error:?}"
    );
}

#[test]
fn missing_files_are_named() {
    for (name, kind, _) in files() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), '-', false);
        fs::remove_file(folder.path().join(format!("{name}-{kind}"))).unwrap();
        let error = load(folder.path()).unwrap_err();
        assert!(matches!(&error, DataError::MissingFile { names, .. } if names.len() == 4), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&format!("{name}.{kind}.gz")) && text.contains("copy the four files"), "{text}");
    }
    let error = load(Path::new("no such folder")).unwrap_err();
    assert!(matches!(&error, DataError::Unreadable { path, .. } if path.ends_with("no such folder")), "{error:?}");
}

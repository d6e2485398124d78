//! Folders of PNG and JPEG files; the files are Pillow's, their pixels the formulas of `make_pictures.py`.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use thalweg::Shape;
use thalweg::data::{DataError, Source, Split};

use super::{golden, labels};

/// A folder of these files: where, and which picture.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (to, picture) in files {
        put(folder.path(), to, fs::read(golden("pictures").join(picture)).unwrap());
    }
    folder
}

fn put(folder: &Path, to: &str, bytes: impl AsRef<[u8]>) {
    let to = folder.join(to);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::write(to, bytes).unwrap();
}

fn load(folder: &Path) -> Result<Split, DataError> {
    Source::Images(folder.into()).load(Path::new(""), 0.0)
}

fn refused(files: &[(&str, &str)], parts: &[&str]) -> DataError {
    let error = load(folder(files).path()).expect_err("it is wrong");
    for part in parts {
        assert!(error.to_string().contains(part), "`{error}` does not say `{part}`");
    }
    error
}

/// The numbers of a single picture, and its shape.
fn one(picture: &str) -> (Vec<f32>, Shape) {
    let all = load(folder(&[(&format!("a/{picture}"), picture)]).path()).unwrap().train;
    assert_eq!(labels(&all), (&[0][..], 1));
    (all.features().to_f32(), all.shape().clone())
}

fn bytes(values: impl IntoIterator<Item = u32>) -> Vec<f32> {
    values.into_iter().map(|x| x as f32 / 255.0).collect()
}

fn grey() -> Vec<f32> {
    bytes((0..24).map(|k| 10 * k))
}

fn colour() -> Vec<f32> {
    let (red, green, blue) = ((0..24).map(|k| 10 * k), (0..24).map(|k| 255 - 10 * k), (0..24).map(|k| 3 * k));
    bytes(red.chain(green).chain(blue))
}

/// Planes of 16 x 8 pixels, the left half of one value, the right of another.
fn halves(planes: &[(u32, u32)]) -> Vec<f32> {
    let row = |&(left, right): &(u32, u32)| (0..8 * 16).map(move |k| if k % 16 < 8 { left } else { right });
    bytes(planes.iter().flat_map(row))
}

#[test]
fn png_of_every_kind() {
    let (gray, rgb) = (Shape::from([1, 4, 6]), Shape::from([3, 4, 6]));
    assert_eq!(one("grey.png"), (grey(), gray.clone()));
    assert_eq!(one("grey_alpha.png"), (grey(), gray.clone()));
    assert_eq!(one("grey16.png"), ((0..24).map(|k| (1000 * k) as f32 / 65535.0).collect(), gray.clone()));
    assert_eq!(one("bits.png"), (bytes((0..24).map(|k| k % 2 * 255)), gray));
    for picture in ["colour.png", "colour_alpha.png", "palette.png"] {
        assert_eq!(one(picture), (colour(), rgb.clone()), "{picture}");
    }
}

#[test]
fn jpeg_of_every_kind() {
    for picture in ["grey.jpg", "grey_progressive.jpg"] {
        assert_eq!(one(picture), (halves(&[(10, 200)]), Shape::from([1, 8, 16])), "{picture}");
    }
    for picture in ["colour.jpg", "cmyk.jpg"] {
        let right = (halves(&[(200, 22), (100, 52), (50, 236)]), Shape::from([3, 8, 16]));
        assert_eq!(one(picture), right, "{picture}");
    }
}

#[test]
fn classes_are_folders_in_order() {
    let files = [
        ("dog/2.png", "grey.png"),
        ("Cat/b.PNG", "bits.png"),
        ("dog/10.png", "grey_alpha.png"),
        ("ant/x.jpeg", "grey.png"),
        (".git/x.txt", "grey.png"),
        ("dog/.DS_Store", "grey.png"),
        ("README.txt", "grey.png"),
    ];
    let all = load(folder(&files).path()).unwrap().train;
    assert_eq!(labels(&all), (&[0, 1, 2, 2][..], 3), "Cat, ant, dog: capitals come first");
    assert_eq!(all.features().to_f32()[..24], bytes((0..24).map(|k| k % 2 * 255)));
    // The share is held out where there are no parts.
    let split = Source::Images(folder(&files).path().into()).load(Path::new(""), 0.25).unwrap();
    assert_eq!((split.train.rows(), split.validation.unwrap().rows()), (3, 1));
}

#[test]
fn one_colour_file_makes_all_of_three_planes() {
    let all = load(folder(&[("a/1.png", "grey.png"), ("b/1.png", "colour.png")]).path()).unwrap().train;
    assert_eq!(all.shape(), &Shape::from([3, 4, 6]));
    assert_eq!(all.features().to_f32(), [grey(), grey(), grey(), colour()].concat());
}

#[test]
fn parts_of_its_own() {
    let train = [("train/a/1.png", "grey.png"), ("train/b/1.png", "grey.png")];
    for part in ["val", "validation", "test"] {
        let held = format!("{part}/b/9.png");
        let split = load(folder(&[&train[..], &[(&held, "colour.png")]].concat()).path()).unwrap();
        let held = split.validation.unwrap();
        assert_eq!((labels(&split.train), labels(&held)), ((&[0, 1][..], 2), (&[1][..], 2)));
        assert_eq!((split.train.shape(), held.shape()), (&Shape::from([3, 4, 6]), &Shape::from([3, 4, 6])));
    }
    // `val` comes before `test`; without either a share may be held out.
    let both = [&train[..], &[("val/a/1.png", "grey.png"), ("test/a/1.png", "colour.png")]].concat();
    assert_eq!(load(folder(&both).path()).unwrap().validation.unwrap().features().to_f32(), grey());
    assert!(load(folder(&train).path()).unwrap().validation.is_none());
    // A class may be called `train`.
    let vehicles = load(folder(&[("train/1.png", "grey.png"), ("car/1.png", "grey.png")]).path()).unwrap().train;
    assert_eq!(labels(&vehicles), (&[0, 1][..], 2));

    let unknown = [&train[..], &[("val/c/1.png", "grey.png")]].concat();
    let error = refused(&unknown, &["val", "has a, b"]);
    assert!(matches!(&error, DataError::StrayFile { path, .. } if path.ends_with("val/c")), "{error:?}");
    let nothing = [&train[..], &[("val/a/.hidden", "grey.png")]].concat();
    assert!(matches!(refused(&nothing, &["val"]), DataError::Empty { .. }));
}

#[test]
fn what_is_out_of_place() {
    let error = refused(&[("a/1.png", "grey.png"), ("b/1.png", "tall.png")], &["b/1.png` has 4 x 6", "a/1.png` 6 x 4"]);
    assert!(matches!(error, DataError::ImageSize { found: (4, 6), expected: (6, 4), .. }), "{error:?}");
    let held = [("train/a/1.png", "grey.png"), ("val/a/1.png", "tall.png")];
    assert!(matches!(refused(&held, &["val/a/1.png"]), DataError::ImageSize { .. }));
    for (files, part) in [
        (&[("a/1.png", "grey.png"), ("2.png", "grey.png")][..], "2.png` is an image of no class"),
        (&[("a/1.png", "grey.png"), ("a/2.bmp", "grey.png")], "2.bmp` is another file"),
        (&[("a/1.png", "grey.png"), ("a/b/2.png", "grey.png")], "b` is a folder"),
    ] {
        let error = refused(files, &[part, "move, convert or remove it"]);
        assert!(matches!(error, DataError::StrayFile { .. }), "{error:?}");
    }
    let empty = [("a/1.png", "grey.png"), ("b/.hidden", "grey.png")];
    assert!(matches!(refused(&empty, &["b`"]), DataError::Empty { .. }));
    let none = refused(&[("README.txt", "grey.png")], &["one sub-folder a class"]);
    assert!(matches!(none, DataError::MissingFile { .. }), "{none:?}");
    let error = refused(&[("a/1.png", "glass.png")], &["a/1.png", "column 1 of row 2", "not opaque"]);
    assert!(matches!(error, DataError::BadImage { .. }), "{error:?}");
    let error = load(Path::new("no such folder")).unwrap_err();
    assert!(matches!(error, DataError::Unreadable { .. }), "{error:?}");
    // The content says what a file is, not its name.
    assert_eq!(load(folder(&[("a/1.jpg", "grey.png")]).path()).unwrap().train.features().to_f32(), grey());
    let folder = folder(&[("a/1.png", "grey.png")]);
    put(folder.path(), "a/2.png", "GIF89a and so on");
    let error = load(folder.path()).unwrap_err();
    assert!(matches!(&error, DataError::BadBytes { offset: 0, found, .. } if &**found == "47 49 46 38"), "{error:?}");
}

#[test]
fn cut_short_anywhere_is_refused() {
    for picture in fs::read_dir(golden("pictures")).unwrap() {
        let picture = picture.unwrap().path();
        if picture.ends_with("glass.png") {
            continue;
        }
        let whole = fs::read(&picture).unwrap();
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a/1.png", &whole);
        let right = load(folder.path()).unwrap();
        for length in 0..whole.len() {
            put(folder.path(), "a/1.png", &whole[..length]);
            let error = load(folder.path()).expect_err("a part of a file was taken for a whole");
            let is = match &error {
                DataError::WrongSize { expected, found, .. } => *found == length as u64 && expected > found,
                DataError::BadBytes { offset: 0, .. } => length < 4,
                DataError::BadImage { .. } => length < whole.len() - 2,
                _ => false,
            };
            assert!(is && error.to_string().contains("1.png"), "{} cut to {length}: {error:?}", picture.display());
        }
        // What stands behind the end is nobody's pixel.
        put(folder.path(), "a/1.png", [&whole[..], b"trailer"].concat());
        assert_eq!(load(folder.path()).unwrap(), right);
    }
}

/// PNG has check sums: a wrong byte is refused or changes nothing. JPEG has none, so it must only not panic.
#[test]
fn one_wrong_byte_does_not_panic() {
    for picture in ["grey.png", "palette.png", "grey.jpg", "grey_progressive.jpg", "cmyk.jpg"] {
        let whole = fs::read(golden("pictures").join(picture)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a/1.png", &whole);
        let right = load(folder.path()).unwrap();
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                put(folder.path(), "a/1.png", bytes);
                if let Ok(split) = load(folder.path()) {
                    assert!(picture.ends_with(".jpg") || split == right, "{picture}, byte {at}");
                }
            }
        }
    }
}

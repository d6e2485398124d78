//! NumPy's archives of arrays.

mod array;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use npyz::npz::NpzArchive;

use self::array::{Array, Numbers};
use super::{DataError, Dataset, Targets, Values};
use crate::shape::Shape;

/// Training data and, where the file has them, validation data.
pub(super) fn load(path: &Path) -> Result<(Dataset, Option<Dataset>), DataError> {
    let mut file = Npz::open(path)?;
    let mut train = (file.features("x_train")?, file.targets("y_train")?);
    same_rows(("x_train", &train.0), ("y_train", &train.1))?;
    let mut held = match (file.has("x_val"), file.has("y_val")) {
        (false, false) => None,
        _ => Some((file.features("x_val")?, file.targets("y_val")?)),
    };
    if let Some((x, y)) = &mut held {
        same_rows(("x_val", x), ("y_val", y))?;
        same_shape(("x_train", &train.0.shape), ("x_val", &x.shape))?;
        match (&mut train.1, y) {
            (Answers::Classes(a), Answers::Classes(b)) => {
                let most = a.1.max(b.1);
                (a.1, b.1) = (most, most);
            }
            (Answers::Numbers(a), Answers::Numbers(b)) => same_shape(("y_train", &a.shape), ("y_val", &b.shape))?,
            (Answers::Classes(_), Answers::Numbers(b)) => {
                return Err(file.wrong_dtype("y_val", &b.dtype, "integers, as `y_train` does"));
            }
            (Answers::Numbers(_), Answers::Classes(b)) => {
                return Err(file.wrong_dtype("y_val", &b.2, "floats, as `y_train` does"));
            }
        }
    }
    let train = dataset(train)?;
    Ok((train, held.map(dataset).transpose()?))
}

/// What there is of the parts to train on, to validate or test by, and undivided, each with or without targets.
pub(super) fn load_given(path: &Path) -> Result<[Option<Dataset>; 3], DataError> {
    let mut file = Npz::open(path)?;
    let mut part = |names: &[(&'static str, &'static str)]| {
        let Some(&(x, y)) = names.iter().find(|(x, _)| file.has(x)) else { return Ok(None) };
        let features = file.features(x)?;
        if !file.has(y) {
            return Dataset::unlabelled(features.values, features.shape).map(Some);
        }
        let targets = file.targets(y)?;
        same_rows((x, &features), (y, &targets))?;
        dataset((features, targets)).map(Some)
    };
    let train = part(&[("x_train", "y_train")])?;
    let held = part(&[("x_val", "y_val"), ("x_test", "y_test")])?;
    let undivided = part(&[("x", "y")])?;
    if train.is_none() && held.is_none() && undivided.is_none() {
        let mut present: Vec<String> = file.archive.array_names().map(str::to_owned).collect();
        present.sort_unstable();
        return Err(DataError::MissingArray { path: path.to_owned(), name: "x", present });
    }
    Ok([train, held, undivided])
}

/// Numbers of examples: the axes after the first, `[1]` where there is none.
struct Examples {
    values: Values,
    rows: usize,
    shape: Shape,
    dtype: String,
}

enum Answers {
    /// Labels, how many classes, and NumPy's name of their type.
    Classes((Vec<u32>, usize, String)),
    Numbers(Examples),
}

struct Npz<'a> {
    path: &'a Path,
    archive: NpzArchive<BufReader<File>>,
}

impl<'a> Npz<'a> {
    fn open(path: &'a Path) -> Result<Self, DataError> {
        let file = File::open(path).map_err(|source| DataError::Unreadable { path: path.to_owned(), source })?;
        if file.metadata().is_ok_and(|m| m.is_dir()) {
            let source = std::io::ErrorKind::IsADirectory.into();
            return Err(DataError::Unreadable { path: path.to_owned(), source });
        }
        let archive = NpzArchive::new(BufReader::new(file)).map_err(|error| DataError::BadNpz {
            path: path.to_owned(),
            array: None,
            reason: error.to_string(),
        })?;
        Ok(Self { path, archive })
    }

    fn has(&self, name: &str) -> bool {
        self.archive.array_names().any(|present| present == name)
    }

    /// The whole array, unpacked; its check sum is compared on the way.
    fn array(&mut self, name: &'static str) -> Result<Array, DataError> {
        if !self.has(name) {
            let mut present: Vec<String> = self.archive.array_names().map(str::to_owned).collect();
            present.sort_unstable();
            return Err(DataError::MissingArray { path: self.path.to_owned(), name, present });
        }
        let mut bytes = Vec::new();
        let read = match self.archive.zip_archive().by_name(&npyz::npz::file_name_from_array_name(name)) {
            Ok(mut entry) => entry.read_to_end(&mut bytes).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        read.and_then(|_| Array::parse(&bytes)).map_err(|reason| DataError::BadNpz {
            path: self.path.to_owned(),
            array: Some(name.to_owned()),
            reason,
        })
    }

    fn features(&mut self, name: &'static str) -> Result<Examples, DataError> {
        let array = self.array(name)?;
        let values = match array.numbers {
            Numbers::Floats(values) => values,
            Numbers::Narrow(v) => Values::F32(v.into_iter().map(|x| x as f32).collect()),
            Numbers::Wide(v) => Values::F64(v.into_iter().map(|x| x as f64).collect()),
            Numbers::Widest(v) => Values::F64(v.into_iter().map(|x| x as f64).collect()),
            Numbers::Other => return Err(self.wrong_dtype(name, &array.dtype, "floats or integers")),
        };
        self.examples(name, values, &array.shape, array.dtype)
    }

    fn targets(&mut self, name: &'static str) -> Result<Answers, DataError> {
        let array = self.array(name)?;
        let labels: Vec<i128> = match array.numbers {
            Numbers::Floats(values) => {
                return Ok(Answers::Numbers(self.examples(name, values, &array.shape, array.dtype)?));
            }
            Numbers::Narrow(v) => v.into_iter().map(i128::from).collect(),
            Numbers::Wide(v) => v.into_iter().map(i128::from).collect(),
            Numbers::Widest(v) => v.into_iter().map(i128::from).collect(),
            Numbers::Other => {
                return Err(self.wrong_dtype(name, &array.dtype, "integers (classes) or floats (numbers to answer)"));
            }
        };
        if array.shape.rank() != 1 {
            return Err(self.wrong_shape(
                name,
                array.shape,
                "[N] for integer classes; make it floats to answer numbers",
            ));
        }
        let label = |(row, found): (usize, i128)| match u32::try_from(found) {
            Ok(label) if label < u32::MAX => Ok(label),
            _ => Err(DataError::BadClassAt { path: self.path.to_owned(), array: name, row, found }),
        };
        let labels = labels.into_iter().enumerate().map(label).collect::<Result<Vec<u32>, _>>()?;
        let classes = labels.iter().max().map_or(0, |&label| label as usize + 1);
        Ok(Answers::Classes((labels, classes, array.dtype)))
    }

    fn examples(
        &self,
        name: &'static str,
        values: Values,
        shape: &Shape,
        dtype: String,
    ) -> Result<Examples, DataError> {
        let Some((&rows, one)) = shape.split_first() else {
            return Err(self.wrong_shape(name, shape.clone(), "[N, …]"));
        };
        if values.is_empty() {
            return Err(DataError::Empty { of: name.to_owned() });
        }
        let shape = if one.is_empty() { Shape::from([1]) } else { Shape::from(one) };
        let width = shape.elements();
        let bad = values.iter().position(|x| !x.is_finite());
        match bad {
            Some(i) => Err(super::not_finite(name.to_owned(), i / width, i % width, values.get(i))),
            None => Ok(Examples { values, rows, shape, dtype }),
        }
    }

    fn wrong_dtype(&self, array: &'static str, found: &str, expected: &'static str) -> DataError {
        DataError::WrongDtype { path: self.path.to_owned(), array, found: found.to_owned(), expected }
    }

    fn wrong_shape(&self, array: &'static str, found: Shape, expected: &str) -> DataError {
        DataError::WrongShape { path: self.path.to_owned(), array, found, expected: expected.to_owned() }
    }
}

fn same_rows(x: (&str, &Examples), y: (&str, &Answers)) -> Result<(), DataError> {
    let found = match y.1 {
        Answers::Classes((labels, ..)) => labels.len(),
        Answers::Numbers(numbers) => numbers.rows,
    };
    if found == x.1.rows {
        return Ok(());
    }
    Err(DataError::LengthMismatch { features: x.0.to_owned(), rows: x.1.rows, targets: y.0.to_owned(), found })
}

fn same_shape(train: (&'static str, &Shape), validation: (&'static str, &Shape)) -> Result<(), DataError> {
    if train.1 == validation.1 {
        return Ok(());
    }
    let (expected, found) = (train.1.clone(), validation.1.clone());
    Err(DataError::SplitShape { train: train.0, validation: validation.0, expected, found })
}

fn dataset((x, y): (Examples, Answers)) -> Result<Dataset, DataError> {
    let targets = match y {
        Answers::Classes((labels, classes, _)) => Targets::Classes { labels, classes },
        Answers::Numbers(numbers) => Targets::Values { values: numbers.values, shape: numbers.shape },
    };
    Dataset::new(x.values, x.shape, targets)
}

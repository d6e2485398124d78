//! Comma-separated text: numbers, and the class in the last column.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use ::csv::{ByteRecord, ErrorKind, ReaderBuilder, Terminator};

use super::{DataError, Dataset, Targets, Values};
use crate::shape::Shape;

/// Reads a file; as many classes as the largest label plus one.
pub(super) fn load(path: &Path) -> Result<Dataset, DataError> {
    let (features, labels, columns) = read(open(path)?, path)?;
    let classes = labels.iter().max().map_or(0, |&label| label as usize + 1);
    Dataset::new(Values::F64(features), Shape::from([columns - 1]), Targets::Classes { labels, classes })
}

/// Reads a file whose columns are all features.
pub(super) fn load_unlabelled(path: &Path) -> Result<Dataset, DataError> {
    let mut features = Vec::new();
    let columns = records(open(path)?, path, 1, |cells, line| {
        for (at, cell) in cells.iter().enumerate() {
            features.push(number(cell, path, line, at + 1)?);
        }
        Ok(())
    })?;
    Dataset::unlabelled(Values::F64(features), Shape::from([columns]))
}

/// How many columns the first line has.
pub(super) fn columns(path: &Path) -> Result<usize, DataError> {
    // The first line below a header is enough: the error ends the reading.
    let mut found = None;
    let read = records(open(path)?, path, 1, |cells, _| {
        found = Some(cells.len());
        Err(DataError::Empty { of: String::new() })
    });
    found.map_or(read, Ok)
}

fn open(path: &Path) -> Result<File, DataError> {
    File::open(path).map_err(|source| DataError::Unreadable { path: path.to_owned(), source })
}

/// Features row-major, labels, and the number of columns, of which at least 2.
pub(super) fn read(input: impl Read, path: &Path) -> Result<(Vec<f64>, Vec<u32>, usize), DataError> {
    let (mut features, mut labels) = (Vec::new(), Vec::new());
    let columns = records(input, path, 2, |cells, line| {
        let last = cells.len() - 1;
        for (at, cell) in cells[..last].iter().enumerate() {
            features.push(number(cell, path, line, at + 1)?);
        }
        labels.push(class(&cells[last], path, line, last + 1)?);
        Ok(())
    })?;
    Ok((features, labels, columns))
}

/// Goes over the records below a header, all of one number of cells, at least `least`; returns that number.
fn records(
    input: impl Read,
    path: &Path,
    least: usize,
    mut each: impl FnMut(&[Cow<'_, str>], u64) -> Result<(), DataError>,
) -> Result<usize, DataError> {
    // Only `\n` ends a record (a `\r` before it is trimmed with the cell) and the last line has one too, so that the
    // line a record stands on is always the one before the reader's.
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .terminator(Terminator::Any(b'\n'))
        .from_reader(input.chain(b"\n".as_slice()));
    let mut record = ByteRecord::new();
    let (mut expected, mut first, mut rows) = (0, true, 0_usize);
    while reader.read_byte_record(&mut record).map_err(|error| unreadable(error, path))? {
        let line = reader.position().line().saturating_sub(1);
        let cells: Vec<Cow<'_, str>> = record.iter().map(|cell| String::from_utf8_lossy(cell.trim_ascii())).collect();
        if cells.len() == 1 && cells[0].is_empty() {
            continue;
        }
        let header = first && cells.iter().all(|cell| cell.parse::<f64>().is_err());
        if first {
            expected = cells.len();
            if expected < least {
                return Err(DataError::TooFewColumns { path: path.to_owned(), line, found: expected });
            }
        }
        first = false;
        if cells.len() != expected {
            return Err(DataError::Ragged { path: path.to_owned(), line, found: cells.len(), expected });
        }
        if header {
            continue;
        }
        each(&cells, line)?;
        rows += 1;
    }
    if rows == 0 {
        return Err(DataError::Empty { of: path.display().to_string() });
    }
    Ok(expected)
}

fn number(cell: &str, path: &Path, line: u64, column: usize) -> Result<f64, DataError> {
    match cell.parse::<f64>() {
        Ok(x) if x.is_finite() => Ok(x),
        Ok(_) => Err(DataError::NotFiniteCell { path: path.to_owned(), line, column, found: cell.to_owned() }),
        Err(_) => Err(DataError::NotANumber { path: path.to_owned(), line, column, found: cell.to_owned() }),
    }
}

/// A class may be written as a float (`3.0`, `3e0`), as NumPy's `savetxt` does.
fn class(cell: &str, path: &Path, line: u64, column: usize) -> Result<u32, DataError> {
    let x = number(cell, path, line, column)?;
    if x >= 0.0 && x.fract() == 0.0 && x < f64::from(u32::MAX) {
        Ok(x as u32)
    } else {
        Err(DataError::BadClass { path: path.to_owned(), line, found: cell.to_owned() })
    }
}

fn unreadable(error: ::csv::Error, path: &Path) -> DataError {
    let source = match error.into_kind() {
        ErrorKind::Io(source) => source,
        other => std::io::Error::other(format!("{other:?}")),
    };
    DataError::Unreadable { path: path.to_owned(), source }
}

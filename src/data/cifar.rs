//! The binary versions of CIFAR-10 and CIFAR-100.
//!
//! Records without a header: the label (CIFAR-100: the coarse one, then the fine one), then 32 x 32 bytes of red, of green
//! and of blue, each row by row. Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*, 2009.

use std::path::Path;

use super::bytes::{Bytes, find, pixels};
use super::{DataError, Dataset, Targets, Values};
use crate::shape::Shape;

const IMAGE: usize = 3 * 32 * 32;

/// One of the two.
pub(super) struct Format {
    /// The folder its archive unpacks to.
    folder: &'static str,
    train: &'static [&'static str],
    held: &'static [&'static str],
    /// What each label is called, and how many classes it may be of; the last is the one used.
    labels: &'static [(&'static str, u8)],
    advice: &'static str,
}

pub(super) const TEN: Format = Format {
    folder: "cifar-10-batches-bin",
    train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
    held: &["test_batch.bin"],
    labels: &[("class", 10)],
    advice: "unpack cifar-10-binary.tar.gz (the binary version, not Python's) there, or name the folder it is in",
};

pub(super) const HUNDRED: Format = Format {
    folder: "cifar-100-binary",
    train: &["train.bin"],
    held: &["test.bin"],
    labels: &[("coarse class", 20), ("fine class", 100)],
    advice: "unpack cifar-100-binary.tar.gz (the binary version, not Python's) there, or name the folder it is in",
};

/// What is trained on and what is tested by.
pub(super) fn load(folder: &Path, format: &Format) -> Result<(Dataset, Option<Dataset>), DataError> {
    let inner = folder.join(format.folder);
    let folder = if inner.is_dir() { &inner } else { folder };
    Ok((format.read(folder, format.train)?, Some(format.read(folder, format.held)?)))
}

impl Format {
    fn read(&self, folder: &Path, names: &[&str]) -> Result<Dataset, DataError> {
        let record = self.labels.len() + IMAGE;
        let (mut features, mut labels, mut first) = (Vec::new(), Vec::new(), None);
        for &name in names {
            let content = Bytes::plain(find(folder, &[name.to_owned()], self.advice)?)?;
            if content.bytes().is_empty() {
                return Err(DataError::Empty { of: content.path().display().to_string() });
            }
            let whole = content.bytes().len().div_ceil(record) * record;
            content.check_len(whole as u64, || format!("a multiple of {record}, the size of a record"))?;
            // The format says nowhere how many records there are, but all files of the training part have as many.
            let expected = *first.get_or_insert(whole);
            content.check_len(expected as u64, || format!("as many as {}", names[0]))?;
            for (row, record) in content.bytes().chunks_exact(record).enumerate() {
                labels.push(self.label(&content, row, record)?);
                features.extend(pixels(&record[self.labels.len()..]));
            }
        }
        let classes = self.labels.last().map_or(0, |&(_, classes)| classes.into());
        Dataset::new(Values::F32(features), Shape::from([3, 32, 32]), Targets::Classes { labels, classes })
    }

    fn label(&self, content: &Bytes, row: usize, record: &[u8]) -> Result<u32, DataError> {
        for (at, &(what, classes)) in self.labels.iter().enumerate() {
            if record[at] >= classes {
                let expected = format!("the {what} of record {row} (from 0), from 0 to {}", classes - 1);
                let advice = "the file is damaged or of another data set: download it again";
                return Err(content.bad(row * record.len() + at, expected, record[at].to_string(), advice));
            }
        }
        Ok(record[self.labels.len() - 1].into())
    }
}

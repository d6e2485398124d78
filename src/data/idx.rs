//! The IDX files of MNIST.
//!
//! Big-endian: two zero bytes, the type of the numbers (8: unsigned bytes), how many axes; the length of each axis in 32
//! bits; the numbers. LeCun, Cortes and Burges, *The MNIST database of handwritten digits*.

use std::path::Path;

use super::bytes::{Bytes, find, pixels};
use super::{DataError, Dataset, Targets, Values};
use crate::shape::Shape;

const ADVICE: &str = "unpack or copy the four files of the data set there, or name the folder they are in";

/// The parts `train` and `t10k`.
pub(super) fn load(folder: &Path) -> Result<(Dataset, Option<Dataset>), DataError> {
    let (mut train, mut held) = (Part::read(folder, "train")?, Part::read(folder, "t10k")?);
    if train.shape != held.shape {
        return Err(DataError::SplitShape {
            train: "train-images",
            validation: "t10k-images",
            expected: train.shape,
            found: held.shape,
        });
    }
    let classes = train.labels.iter().chain(&held.labels).max().map_or(0, |&most| most as usize + 1);
    let dataset = |part: &mut Part| {
        let labels = std::mem::take(&mut part.labels);
        let pixels = std::mem::take(&mut part.pixels);
        Dataset::new(Values::F32(pixels), part.shape.clone(), Targets::Classes { labels, classes })
    };
    Ok((dataset(&mut train)?, Some(dataset(&mut held)?)))
}

/// The images and labels of one part.
struct Part {
    pixels: Vec<f32>,
    labels: Vec<u32>,
    shape: Shape,
}

impl Part {
    fn read(folder: &Path, part: &str) -> Result<Self, DataError> {
        let (images, sides) = Idx::read::<3>(folder, &format!("{part}-images"), "images")?;
        let (labels, [count]) = Idx::read::<1>(folder, &format!("{part}-labels"), "labels")?;
        let [rows, height, width] = sides;
        if images.0.len() == 16 {
            return Err(DataError::Empty { of: images.0.path().display().to_string() });
        }
        if rows != count {
            return Err(DataError::LengthMismatch {
                features: images.0.path().display().to_string(),
                rows: rows as usize,
                targets: labels.0.path().display().to_string(),
                found: count as usize,
            });
        }
        Ok(Self {
            pixels: pixels(&images.0.bytes()[16..]).collect(),
            labels: labels.0.bytes()[8..].iter().map(|&label| u32::from(label)).collect(),
            shape: Shape::from([1, height as usize, width as usize]),
        })
    }
}

/// A file whose size is what its header says.
struct Idx(Bytes);

impl Idx {
    /// The file of this name, plain or packed, and the lengths of its axes.
    fn read<const AXES: usize>(folder: &Path, name: &str, what: &str) -> Result<(Self, [u32; AXES]), DataError> {
        let [dash, dot] = ["-", "."].map(|mark| format!("{name}{mark}idx{AXES}-ubyte"));
        let path = find(folder, &[dash.clone(), dot.clone(), dash + ".gz", dot + ".gz"], ADVICE)?;
        let size = |content: &Bytes| Self::size(content, &Self::axes::<AXES>(content, what)?);
        let content = Bytes::unpacked(path, 4 + 4 * AXES as u64, size)?;
        let axes = Self::axes::<AXES>(&content, what)?;
        content.check_len(Self::size(&content, &axes)?, || {
            let axes: Vec<String> = axes.iter().map(u32::to_string).collect();
            format!("a header of {} and {} numbers", 4 + 4 * AXES, axes.join(" x "))
        })?;
        Ok((Self(content), axes))
    }

    fn axes<const AXES: usize>(content: &Bytes, what: &str) -> Result<[u32; AXES], DataError> {
        let bytes = content.bytes();
        let header = 4 + 4 * AXES;
        let magic = [0, 0, 8, AXES as u8];
        if let Some(at) = bytes.iter().zip(magic).position(|(&byte, right)| byte != right) {
            let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
            let advice = match at {
                0 | 1 => "this is no IDX file: look which file it is",
                2 => "only unsigned bytes are read: look which file it is",
                _ => "images and labels may be mixed up: look which file it is",
            };
            let expected = format!("{:02x} (an IDX file of {what} begins with {})", magic[at], hex(&magic));
            let found = format!("{:02x} (it begins with {})", bytes[at], hex(&bytes[..bytes.len().min(4)]));
            return Err(content.bad(at, expected, found, advice));
        }
        if bytes.len() < header {
            content.check_len(header as u64, || format!("at least, the header of an IDX file of {what}"))?;
        }
        Ok(std::array::from_fn(|axis| {
            let at = 4 + 4 * axis;
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        }))
    }

    fn size(content: &Bytes, axes: &[u32]) -> Result<u64, DataError> {
        let header = 4 + 4 * axes.len() as u64;
        let numbers = axes.iter().try_fold(1_u64, |n, &axis| n.checked_mul(axis.into()));
        numbers.and_then(|n| n.checked_add(header)).ok_or_else(|| {
            let expected = "lengths whose product fits in 64 bits".to_owned();
            content.bad(4, expected, format!("{axes:?}"), "the header is damaged: download the file again")
        })
    }
}

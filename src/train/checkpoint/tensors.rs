//! Named tensors in safetensors files.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, View};

use super::{CheckpointError, Misshaped, Mistyped, write_atomic};
use crate::data::Values;
use crate::shape::Shape;

/// A tensor with its name, as it stands in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its name, as PyTorch's `state_dict` has it: `0.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// Its numbers, row-major, in the precision of the file.
    pub data: Values,
}

/// A whole number under its name: PyTorch's `num_batches_tracked`, an `I64` without axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: u64,
}

/// What a file holds under a name.
#[derive(Clone, Copy)]
pub(super) enum Held<'a> {
    Floats(&'a Tensor),
    Count(u64),
}

/// The one key of the library's own metadata. One, because a file with several would not have the same bytes twice:
/// the format keeps them in a hash map.
const METADATA: &str = "thalweg";

/// Writes tensors atomically under the names beside them: `F32` or `F64` as they are, bit for bit; `note` goes into
/// the metadata.
pub(super) fn write(path: &Path, tensors: &[(String, Held<'_>)], note: String) -> Result<(), CheckpointError> {
    let mut names = BTreeSet::new();
    for (name, held) in tensors {
        if !names.insert(name) || name == "__metadata__" {
            return Err(CheckpointError::DuplicateName { name: name.clone() });
        }
        if let Held::Floats(Tensor { shape, data, .. }) = held
            && shape.elements() != data.len()
        {
            return Err(CheckpointError::WrongLength { name: name.clone(), shape: shape.clone(), found: data.len() });
        }
    }
    let metadata = HashMap::from([(METADATA.to_owned(), note)]);
    let bytes = safetensors::serialize(tensors.iter().map(|(name, tensor)| (name, *tensor)), Some(metadata))
        .map_err(|error| corrupt(path, error))?;
    write_atomic(path, &bytes)
}

impl View for Held<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Self::Floats(Tensor { data: Values::F32(_), .. }) => Dtype::F32,
            Self::Floats(Tensor { data: Values::F64(_), .. }) => Dtype::F64,
            Self::Count(_) => Dtype::I64,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::Floats(tensor) => tensor.shape.axes(),
            Self::Count(_) => &[],
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Floats(tensor) => match &tensor.data {
                Values::F32(v) if cfg!(target_endian = "little") => Cow::Borrowed(bytemuck::cast_slice(v)),
                Values::F64(v) if cfg!(target_endian = "little") => Cow::Borrowed(bytemuck::cast_slice(v)),
                Values::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
                Values::F64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            },
            Self::Count(n) => i64::try_from(*n).unwrap_or(i64::MAX).to_le_bytes().to_vec().into(),
        }
    }

    fn data_len(&self) -> usize {
        match self {
            Self::Floats(Tensor { data: Values::F32(v), .. }) => v.len() * 4,
            Self::Floats(Tensor { data: Values::F64(v), .. }) => v.len() * 8,
            Self::Count(_) => 8,
        }
    }
}

/// The bytes of a safetensors file, found whole.
pub(super) struct File {
    bytes: Vec<u8>,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self, CheckpointError> {
        let bytes =
            std::fs::read(path).map_err(|source| CheckpointError::Unreadable { path: path.to_owned(), source })?;
        check_extent(&bytes)
            .and_then(|()| SafeTensors::deserialize(&bytes).map_err(|error| error.to_string()))
            .map_err(|reason| CheckpointError::Corrupt { path: path.to_owned(), reason })?;
        Ok(Self { bytes })
    }

    /// The library's own note, if it wrote the file.
    pub(super) fn note(&self) -> Option<String> {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).ok()?;
        header.metadata().as_ref()?.get(METADATA).cloned()
    }

    /// The tensors that are expected, in that order, if those and no others but the counters are there. A counter that is
    /// not there is 0.
    pub(super) fn read(
        &self,
        path: &Path,
        expected: &[(String, Shape)],
        counters: &[String],
    ) -> Result<(Vec<Values>, Vec<u64>), CheckpointError> {
        let views = SafeTensors::deserialize(&self.bytes).map_err(|error| corrupt(path, error))?;
        let mut found: BTreeMap<String, _> = views.tensors().into_iter().collect();
        let (mut missing, mut misshaped, mut wrong_dtype) = (Vec::new(), Vec::new(), Vec::new());
        let mut out = Vec::with_capacity(expected.len());
        for (name, shape) in expected {
            let Some(view) = found.remove(name) else {
                missing.push((name.clone(), shape.clone()));
                continue;
            };
            if view.shape() != shape.axes() {
                let found = Shape::from(view.shape());
                misshaped.push(Misshaped { name: name.clone(), expected: shape.clone(), found });
            }
            match widen(view.dtype(), view.data()) {
                Some(values) => out.push(values),
                None => {
                    let found = format!("{:?}", view.dtype());
                    wrong_dtype.push(Mistyped { name: name.clone(), expected: "floats", found });
                }
            }
        }
        let mut counts = Vec::with_capacity(counters.len());
        for name in counters {
            let Some(view) = found.remove(name) else {
                counts.push(0);
                continue;
            };
            match count(view.dtype(), view.shape(), view.data()) {
                Ok(count) => counts.push(count),
                Err(found) => wrong_dtype.push(Mistyped { name: name.clone(), expected: COUNT, found }),
            }
        }
        let extra: Vec<_> = found.into_iter().map(|(name, view)| (name, Shape::from(view.shape()))).collect();
        if missing.is_empty() && extra.is_empty() && misshaped.is_empty() && wrong_dtype.is_empty() {
            Ok((out, counts))
        } else {
            Err(CheckpointError::Mismatch { path: path.into(), missing, extra, misshaped, wrong_dtype })
        }
    }

    /// Every tensor's name and shape, by name.
    pub(super) fn shapes(&self, path: &Path) -> Result<BTreeMap<String, Shape>, CheckpointError> {
        let views = SafeTensors::deserialize(&self.bytes).map_err(|error| corrupt(path, error))?;
        Ok(views.iter().map(|(name, view)| (name.to_owned(), Shape::from(view.shape()))).collect())
    }
}

/// A tensor of a file that may hold any.
pub(in crate::train) struct Any {
    pub shape: Shape,
    pub dtype: String,
    /// If it is of floats.
    pub floats: Option<Values>,
    /// If it is one whole number.
    pub count: Option<u64>,
}

/// Whatever tensors a file holds, by name, and what its metadata have under `key`.
pub(in crate::train) fn read_any(
    path: &Path,
    key: &str,
) -> Result<(BTreeMap<String, Any>, Option<String>), CheckpointError> {
    let File { bytes } = File::open(path)?;
    let views = SafeTensors::deserialize(&bytes).map_err(|error| corrupt(path, error))?;
    let any = |view: safetensors::tensor::TensorView<'_>| Any {
        shape: Shape::from(view.shape()),
        dtype: format!("{:?}", view.dtype()),
        floats: widen(view.dtype(), view.data()),
        count: count(view.dtype(), view.shape(), view.data()).ok(),
    };
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| corrupt(path, error))?;
    let note = header.metadata().as_ref().and_then(|metadata| metadata.get(key).cloned());
    Ok((views.tensors().into_iter().map(|(name, view)| (name, any(view))).collect(), note))
}

const COUNT: &str = "a count, one I64 that is 0 or more";

/// The count a tensor holds, or what it is instead. A list of one is taken as PyTorch takes it.
fn count(dtype: Dtype, shape: &[usize], bytes: &[u8]) -> Result<u64, String> {
    match (dtype, <[u8; 8]>::try_from(bytes)) {
        (Dtype::I64, Ok(bytes)) => {
            let number = i64::from_le_bytes(bytes);
            u64::try_from(number).map_err(|_| number.to_string())
        }
        _ => Err(format!("{dtype:?} of shape {}", Shape::from(shape))),
    }
}

/// Numbers of a tensor: half precisions are widened to f32, exactly. None for types that are no floats.
fn widen(dtype: Dtype, bytes: &[u8]) -> Option<Values> {
    fn each<const N: usize, T>(bytes: &[u8], of: impl Fn([u8; N]) -> T) -> Vec<T> {
        bytes.chunks_exact(N).filter_map(<[u8]>::first_chunk).map(|&chunk| of(chunk)).collect()
    }
    match dtype {
        Dtype::F64 => Some(Values::F64(each(bytes, f64::from_le_bytes))),
        Dtype::F32 => Some(Values::F32(each(bytes, f32::from_le_bytes))),
        Dtype::F16 => Some(Values::F32(each(bytes, |b| f16::from_le_bytes(b).to_f32()))),
        Dtype::BF16 => Some(Values::F32(each(bytes, |b| bf16::from_le_bytes(b).to_f32()))),
        _ => None,
    }
}

/// Weights by the model's names, in the model's order: `model.safetensors` of a run, or a file that PyTorch wrote.
///
/// f16 and bf16 come back as f32, exactly; f32 and f64 as they are.
///
/// # Errors
///
/// If the file cannot be read or is cut short; [`CheckpointError::Mismatch`] lists every tensor that is missing,
/// extra, of another shape or not of floats, all at once.
pub fn read_weights(path: &Path, expected: &[(String, Shape)]) -> Result<Vec<Values>, CheckpointError> {
    Ok(read_model(path, expected, &[])?.0)
}

/// As [`read_weights`], and the counters there are.
pub(in crate::train) fn read_model(
    path: &Path,
    expected: &[(String, Shape)],
    counters: &[String],
) -> Result<(Vec<Values>, Vec<u64>), CheckpointError> {
    File::open(path)?.read(path, expected, counters)
}

fn corrupt(path: &Path, error: safetensors::SafeTensorError) -> CheckpointError {
    CheckpointError::Corrupt { path: path.to_owned(), reason: error.to_string() }
}

/// Refuses a file whose header promises another length than it has: first because it can say so in words, and because
/// the parser adds the offsets unchecked.
fn check_extent(bytes: &[u8]) -> Result<(), String> {
    let cut = || format!("it is cut short ({} bytes)", bytes.len());
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(cut)?;
    let header = usize::try_from(u64::from_le_bytes(*length)).ok().and_then(|n| rest.get(..n)).ok_or_else(cut)?;
    let data = rest.len() - header.len();
    let header: serde_json::Value = serde_json::from_slice(header).map_err(|error| format!("its header: {error}"))?;
    let tensors = header.as_object().ok_or("its header is not a JSON object")?;
    let ends = tensors.values().filter_map(|tensor| tensor.get("data_offsets")?.get(1)?.as_u64());
    match ends.max().unwrap_or(0) {
        end if end == data as u64 => Ok(()),
        end if end > data as u64 => Err(format!("it is cut short: {data} bytes of data, the header promises {end}")),
        end => Err(format!("{data} bytes of data, the header speaks of {end}")),
    }
}

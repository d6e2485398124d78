//! One array of an NPZ file, in row-major order.

use half::f16;
use npyz::{DType, Deserialize, NpyFile, Order, TypeChar};

use crate::data::Values;
use crate::shape::Shape;

/// An array as the file has it, but row-major.
pub(super) struct Array {
    pub(super) numbers: Numbers,
    pub(super) shape: Shape,
    /// NumPy's name of the element type.
    pub(super) dtype: String,
}

pub(super) enum Numbers {
    /// Floats: f16 widened to f32.
    Floats(Values),
    /// Integers that f32 holds exactly.
    Narrow(Vec<i32>),
    /// Integers that it does not.
    Wide(Vec<i64>),
    /// Integers beyond i64.
    Widest(Vec<u64>),
    /// What is no number or of no width known here.
    Other,
}

impl Array {
    /// Reads the bytes of one `.npy` file. The reason is a sentence's end, for people.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        check_shape(bytes)?;
        let file = NpyFile::new(bytes).map_err(|error| error.to_string())?;
        let axes: Vec<usize> = file.shape().iter().map(|&n| n as usize).collect();
        let shape = Shape::from(axes);
        let dtype = file.dtype();
        let name = dtype.descr();
        let DType::Plain(plain) = &dtype else { return Ok(Self { numbers: Numbers::Other, shape, dtype: name }) };
        let numbers = match (plain.type_char(), plain.size_field()) {
            (TypeChar::Float, 2) => {
                Numbers::Floats(Values::F32(elements::<f16>(file, bytes)?.into_iter().map(f32::from).collect()))
            }
            (TypeChar::Float, 4) => Numbers::Floats(Values::F32(elements(file, bytes)?)),
            (TypeChar::Float, 8) => Numbers::Floats(Values::F64(elements(file, bytes)?)),
            (TypeChar::Int, 1) => narrow::<i8>(file, bytes)?,
            (TypeChar::Int, 2) => narrow::<i16>(file, bytes)?,
            (TypeChar::Int, 4) => wide::<i32>(file, bytes)?,
            (TypeChar::Int, 8) => wide::<i64>(file, bytes)?,
            (TypeChar::Uint, 1) => narrow::<u8>(file, bytes)?,
            (TypeChar::Uint, 2) => narrow::<u16>(file, bytes)?,
            (TypeChar::Uint, 4) => wide::<u32>(file, bytes)?,
            (TypeChar::Uint, 8) => Numbers::Widest(elements(file, bytes)?),
            _ => Numbers::Other,
        };
        Ok(Self { numbers, shape, dtype: name })
    }
}

fn narrow<T: Deserialize + Copy + Into<i32>>(file: NpyFile<&[u8]>, bytes: &[u8]) -> Result<Numbers, String> {
    Ok(Numbers::Narrow(elements::<T>(file, bytes)?.into_iter().map(Into::into).collect()))
}

fn wide<T: Deserialize + Copy + Into<i64>>(file: NpyFile<&[u8]>, bytes: &[u8]) -> Result<Numbers, String> {
    Ok(Numbers::Wide(elements::<T>(file, bytes)?.into_iter().map(Into::into).collect()))
}

/// The elements, row-major.
fn elements<T: Deserialize + Copy>(file: NpyFile<&[u8]>, bytes: &[u8]) -> Result<Vec<T>, String> {
    // Every element takes a byte or more: a shape that promises more than the file has must not be allocated.
    if file.len() > bytes.len() as u64 {
        return Err(format!("the header promises {} elements, the file is {} bytes long", file.len(), bytes.len()));
    }
    let (order, axes) = (file.order(), file.shape().iter().map(|&n| n as usize).collect::<Vec<_>>());
    let data = file.into_vec::<T>().map_err(|error| format!("the array is cut short ({error})"))?;
    Ok(if order == Order::Fortran { row_major(&data, &axes) } else { data })
}

/// From the first axis fastest to the last axis fastest.
fn row_major<T: Copy>(data: &[T], axes: &[usize]) -> Vec<T> {
    let strides: Vec<usize> = (0..axes.len()).map(|k| axes[..k].iter().product()).collect();
    let mut index = vec![0; axes.len()];
    let mut out = Vec::with_capacity(data.len());
    for _ in 0..data.len() {
        out.push(data[index.iter().zip(&strides).map(|(i, s)| i * s).sum::<usize>()]);
        for k in (0..axes.len()).rev() {
            index[k] += 1;
            if index[k] < axes[k] {
                break;
            }
            index[k] = 0;
        }
    }
    out
}

/// Refuses a header cut short, or a shape whose product overflows: npyz multiplies it unchecked and allocates the
/// header's length.
fn check_shape(bytes: &[u8]) -> Result<(), String> {
    let cut = || "the header is cut short".to_owned();
    let (start, length) = match (bytes.get(6), bytes.get(8..12)) {
        (Some(1), Some(b)) => (10, u16::from_le_bytes([b[0], b[1]]) as usize),
        (Some(_), Some(b)) => (12, u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize),
        _ => return Err(cut()),
    };
    let header = bytes.get(start..).and_then(|rest| rest.get(..length)).ok_or_else(cut)?;
    let text = String::from_utf8_lossy(header);
    let shape = text.split("shape").skip(1).flat_map(|rest| rest.split([')', ']']).next());
    for axes in shape {
        let mut product = 1usize;
        for axis in axes.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty()) {
            let next = axis.parse::<usize>().ok().and_then(|n| product.checked_mul(n.max(1)));
            product = next.ok_or_else(|| format!("its shape {axes}) has more elements than can be counted"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(dict: &str, data: &[u8]) -> Result<Array, String> {
        let length = (dict.len() as u16).to_le_bytes();
        Array::parse(&[b"\x93NUMPY\x01\x00", length.as_slice(), dict.as_bytes(), data].concat())
    }

    #[test]
    fn a_header_that_lies_is_refused() {
        let header = |shape: &str| format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
        let whole = parse(&header("(3,)"), &[1, 2, 3]);
        assert!(matches!(whole, Ok(Array { numbers: Numbers::Narrow(v), .. }) if v == [1, 2, 3]));
        for shape in ["(4,)", "(4294967296,)", "(4294967296, 4294967296, 4294967296)", "(0, 18446744073709551615, 3)"] {
            assert!(parse(&header(shape), &[1, 2, 3]).is_err(), "{shape}");
        }
        for dict in ["", "{", "[]", "{'descr': '|u1'}", "{'descr': 1, 'fortran_order': 2, 'shape': 3}"] {
            assert!(parse(dict, &[]).is_err(), "{dict}");
        }
        // Version 2 counts its header in 32 bits: nothing of that size may be allocated for a file of 12 bytes.
        assert!(Array::parse(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").is_err());
    }

    #[test]
    fn fortran_order_is_turned() {
        // numpy: np.arange(6).reshape(2, 3), stored column by column.
        assert_eq!(row_major(&[0, 3, 1, 4, 2, 5], &[2, 3]), [0, 1, 2, 3, 4, 5]);
        assert_eq!(row_major(&[7], &[]), [7]);
        assert!(row_major::<u8>(&[], &[0, 3]).is_empty());
    }
}

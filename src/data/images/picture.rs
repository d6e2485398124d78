//! One file: its size, and its pixels as planes of numbers.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use super::{DataError, ends};

const PNG: [u8; 4] = [0x89, b'P', b'N', b'G'];
const JPEG: [u8; 3] = [0xff, 0xd8, 0xff];

/// What a file says before its pixels.
pub(super) struct Header {
    /// Width and height.
    pub(super) size: (u32, u32),
    /// Whether its format has colours; they may be grey all the same.
    pub(super) colour: bool,
}

impl Header {
    pub(super) fn read(path: &Path) -> Result<Self, DataError> {
        let unreadable = |source| DataError::Unreadable { path: path.to_owned(), source };
        let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
        let mut start = Vec::new();
        (&mut file).take(PNG.len() as u64).read_to_end(&mut start).map_err(unreadable)?;
        file.rewind().map_err(unreadable)?;
        let decoder = ImageReader::with_format(file, format(path, &start)?).into_decoder();
        let decoder = decoder.map_err(|error| bad(path, error.to_string()))?;
        Ok(Self { size: decoder.dimensions(), colour: decoder.color_type().has_color() })
    }
}

/// Appends the planes of a file: its grey as often as there are channels, or its red, green and blue.
pub(super) fn decode(path: &Path, size: (u32, u32), channels: usize, into: &mut Vec<f32>) -> Result<(), DataError> {
    let bytes = std::fs::read(path).map_err(|source| DataError::Unreadable { path: path.to_owned(), source })?;
    let format = format(path, &bytes)?;
    ends::check(path, format, &bytes)?;
    let image = ImageReader::with_format(Cursor::new(bytes), format).decode();
    let image = image.map_err(|error| bad(path, error.to_string()))?;
    let narrow = |samples: Vec<u8>| samples.into_iter().map(|x| f32::from(x) / 255.0).collect::<Vec<_>>();
    let wide = |samples: Vec<u16>| samples.into_iter().map(|x| f32::from(x) / 65535.0).collect::<Vec<_>>();
    let found = (image.width(), image.height());
    let (planes, samples) = match image {
        DynamicImage::ImageLuma8(image) => (1, narrow(image.into_raw())),
        DynamicImage::ImageLumaA8(image) => (2, narrow(image.into_raw())),
        DynamicImage::ImageRgb8(image) => (3, narrow(image.into_raw())),
        DynamicImage::ImageRgba8(image) => (4, narrow(image.into_raw())),
        DynamicImage::ImageLuma16(image) => (1, wide(image.into_raw())),
        DynamicImage::ImageLumaA16(image) => (2, wide(image.into_raw())),
        DynamicImage::ImageRgb16(image) => (3, wide(image.into_raw())),
        DynamicImage::ImageRgba16(image) => (4, wide(image.into_raw())),
        other => return Err(bad(path, format!("pixels of type {:?} cannot be used", other.color()))),
    };
    let colours = if planes < 3 { 1 } else { 3 };
    if found != size || colours > channels {
        return Err(bad(path, "it changed while it was read".to_owned()));
    }
    if planes > colours
        && let Some(at) = samples.chunks_exact(planes).position(|pixel| pixel[colours] != 1.0)
    {
        let (x, y) = (at % size.0 as usize, at / size.0 as usize);
        return Err(bad(path, format!("its pixel in column {x} of row {y} (from 0) is not opaque; flatten it")));
    }
    for channel in 0..channels {
        let plane = channel.min(colours - 1);
        into.extend(samples.chunks_exact(planes).map(|pixel| pixel[plane]));
    }
    Ok(())
}

/// The format, as the first bytes say it; the name may be wrong.
fn format(path: &Path, start: &[u8]) -> Result<ImageFormat, DataError> {
    if start.starts_with(&PNG) {
        return Ok(ImageFormat::Png);
    }
    if start.starts_with(&JPEG) {
        return Ok(ImageFormat::Jpeg);
    }
    let hex: Vec<String> = start.iter().take(PNG.len()).map(|byte| format!("{byte:02x}")).collect();
    Err(DataError::BadBytes {
        path: path.to_owned(),
        packed: false,
        offset: 0,
        expected: "89 50 4e 47 (PNG) or ff d8 ff (JPEG)".into(),
        found: if hex.is_empty() { "nothing: the file is empty".into() } else { hex.join(" ").into() },
        advice: "this is neither a PNG nor a JPEG file: convert or remove it",
    })
}

fn bad(path: &Path, reason: String) -> DataError {
    DataError::BadImage { path: path.to_owned(), reason }
}

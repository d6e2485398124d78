//! Whether a file is whole. Decoders are content with the pixels they need, and a JPEG's makes up those it lacks; so the
//! chunks or segments are walked to the last one. What stands behind it is not looked at.

use std::path::Path;

use image::ImageFormat;

use super::DataError;

/// Refuses a file that ends before its last chunk.
pub(super) fn check(path: &Path, format: ImageFormat, bytes: &[u8]) -> Result<(), DataError> {
    let (end, why) = match format {
        ImageFormat::Png => (png(bytes), "at least, up to the end of the chunk IEND"),
        _ => (jpeg(bytes), "at least, up to the end-of-image marker ff d9"),
    };
    let found = bytes.len() as u64;
    match end {
        Ok(()) => Ok(()),
        Err(expected) => {
            Err(DataError::WrongSize { path: path.to_owned(), packed: false, expected, found, why: why.into() })
        }
    }
}

/// After a signature of 8 bytes: chunks of length, name, content and check sum; the last is `IEND`. ISO/IEC 15948.
/// The error is how many bytes there must be at least.
fn png(bytes: &[u8]) -> Result<(), u64> {
    let mut at = 8_usize;
    loop {
        let head = bytes.get(at..).and_then(|rest| rest.get(..8)).ok_or(at as u64 + 12)?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let end = at as u64 + 12 + u64::from(length);
        if end > bytes.len() as u64 {
            return Err(end);
        }
        if &head[4..] == b"IEND" {
            return Ok(());
        }
        at = end as usize;
    }
}

/// After `ff d8`: markers `ff xx`, those with a segment followed by its length in 16 bits, itself included. In between,
/// behind a start of scan, coded pixels in which `ff` is followed by 0 or stands in a restart marker. The last marker is
/// `ff d9`. ITU-T T.81, annex B.
fn jpeg(bytes: &[u8]) -> Result<(), u64> {
    let mut at = 2_usize;
    let mut coded = false;
    loop {
        // To the next marker: fill bytes `ff` may stand before it, coded pixels and (out of norm) padding too.
        let lacks = bytes.len() as u64 + 1;
        while !matches!(bytes.get(at..).and_then(|rest| rest.get(..2)).ok_or(lacks)?,
            [0xff, marker] if *marker != 0xff && *marker != 0 && !(coded && (0xd0..=0xd7).contains(marker)))
        {
            at += 1;
        }
        let marker = bytes[at + 1];
        at += 2;
        match marker {
            0xd9 => return Ok(()),
            // Markers without a segment.
            0x01 | 0xd0..=0xd8 => continue,
            _ => {}
        }
        let length = bytes.get(at..).and_then(|rest| rest.get(..2)).ok_or(at as u64 + 2)?;
        let end = at as u64 + u64::from(u16::from_be_bytes([length[0], length[1]])).max(2);
        if end > bytes.len() as u64 {
            return Err(end);
        }
        at = end as usize;
        coded = marker == 0xda;
    }
}

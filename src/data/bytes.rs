//! Whole files of bytes, plain or packed with gzip, and what can be wrong with them.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::DataError;

/// The first of `names` that is a file in `folder`.
pub(super) fn find(folder: &Path, names: &[String], advice: &'static str) -> Result<PathBuf, DataError> {
    // Says more than a missing file would, where the folder is missing or none.
    std::fs::read_dir(folder).map_err(|source| DataError::Unreadable { path: folder.to_owned(), source })?;
    match names.iter().map(|name| folder.join(name)).find(|path| path.exists()) {
        Some(path) => Ok(path),
        None => Err(DataError::MissingFile { folder: folder.to_owned(), names: names.to_vec(), advice }),
    }
}

/// The content of a file.
pub(super) struct Bytes {
    path: PathBuf,
    packed: bool,
    bytes: Vec<u8>,
}

impl Bytes {
    /// The file as it is.
    pub(super) fn plain(path: PathBuf) -> Result<Self, DataError> {
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Self { path, packed: false, bytes }),
            Err(source) => Err(DataError::Unreadable { path, source }),
        }
    }

    /// The file, unpacked if its first two bytes are those of gzip, whatever its name is.
    ///
    /// `size` says from the first bytes, up to `head` of them, how long the content must be: no more is unpacked, and
    /// what is longer is told by one byte more.
    pub(super) fn unpacked(
        path: PathBuf,
        head: u64,
        size: impl FnOnce(&Self) -> Result<u64, DataError>,
    ) -> Result<Self, DataError> {
        let unreadable = |source| DataError::Unreadable { path: path.clone(), source };
        let mut file = File::open(&path).map_err(unreadable)?;
        let mut start = Vec::new();
        (&mut file).take(2).read_to_end(&mut start).map_err(unreadable)?;
        if start != [0x1f, 0x8b] {
            return Self::plain(path);
        }
        file.read_to_end(&mut start).map_err(unreadable)?;
        let mut gzip = MultiGzDecoder::new(Cursor::new(start));
        let mut content = Self { path, packed: true, bytes: Vec::new() };
        content.fill(&mut gzip, head)?;
        let size = size(&content)?;
        let rest = size.saturating_add(1).saturating_sub(content.bytes.len() as u64);
        content.fill(&mut gzip, rest)?;
        Ok(content)
    }

    fn fill(&mut self, gzip: &mut MultiGzDecoder<Cursor<Vec<u8>>>, most: u64) -> Result<(), DataError> {
        let read = gzip.by_ref().take(most).read_to_end(&mut self.bytes);
        read.map(|_| ()).map_err(|error| DataError::BadGzip {
            path: self.path.clone(),
            offset: gzip.get_ref().position(),
            unpacked: self.bytes.len() as u64,
            reason: error.to_string(),
        })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Refuses any other length than `expected`.
    pub(super) fn check_len(&self, expected: u64, why: impl FnOnce() -> String) -> Result<(), DataError> {
        if self.len() == expected {
            return Ok(());
        }
        let path = self.path.clone();
        Err(DataError::WrongSize { path, packed: self.packed, expected, found: self.len(), why: why() })
    }

    /// That something else stands at `offset` than can.
    pub(super) fn bad(&self, offset: usize, expected: String, found: String, advice: &'static str) -> DataError {
        let (path, offset) = (self.path.clone(), offset as u64);
        let (expected, found) = (expected.into(), found.into());
        DataError::BadBytes { path, packed: self.packed, offset, expected, found, advice }
    }
}

/// Pixels of 0…255 in `[0, 1]`, each the f32 nearest to its quotient.
pub(super) fn pixels(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.iter().map(|&byte| f32::from(byte) / 255.0)
}

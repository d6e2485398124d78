//! Folders of PNG and JPEG files, one folder a class.

mod ends;
mod folders;
mod picture;

use std::path::{Path, PathBuf};

use self::folders::Listing;
use self::picture::{Header, decode};
use super::{DataError, Dataset, Targets, Values};
use crate::shape::Shape;

/// The training part and, where the folder has one, the part to validate by.
pub(super) fn load(folder: &Path) -> Result<(Dataset, Option<Dataset>), DataError> {
    let listing = Listing::of(folder)?;
    // The size and the number of channels are known before the first pixel is unpacked.
    let (mut first, mut colour) = (None::<(PathBuf, Header)>, false);
    for (path, _) in listing.train.iter().chain(listing.held.iter().flatten()) {
        let header = Header::read(path)?;
        colour |= header.colour;
        match &first {
            None => first = Some((path.clone(), header)),
            Some((_, right)) if right.size == header.size => {}
            Some((first, right)) => {
                let (found, expected) = (header.size, right.size);
                return Err(DataError::ImageSize { path: path.clone(), found, first: first.clone(), expected });
            }
        }
    }
    let Some((_, Header { size, .. })) = first else {
        return Err(DataError::Empty { of: folder.display().to_string() });
    };
    let (channels, classes) = (if colour { 3 } else { 1 }, listing.classes.len());
    // A name that is no Unicode cannot be written down: then there are none.
    let names: Option<Vec<String>> = listing.classes.iter().map(|name| name.to_str().map(str::to_owned)).collect();
    let dataset = |files: &[(PathBuf, u32)]| {
        let mut features = Vec::new();
        for (path, _) in files {
            decode(path, size, channels, &mut features)?;
        }
        let labels = files.iter().map(|&(_, class)| class).collect();
        let shape = Shape::from([channels, size.1 as usize, size.0 as usize]);
        let set = Dataset::new(Values::F32(features), shape, Targets::Classes { labels, classes })?;
        match &names {
            Some(names) => set.with_class_names(names.clone()),
            None => Ok(set),
        }
    };
    Ok((dataset(&listing.train)?, listing.held.as_deref().map(dataset).transpose()?))
}

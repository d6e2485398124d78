//! Which files there are, and of which class.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::DataError;

/// Names of the part to validate by, the preferred first.
const HELD: [&str; 3] = ["val", "validation", "test"];

/// All files of a source, sorted by class and name, with their classes.
pub(super) struct Listing {
    pub(super) train: Vec<(PathBuf, u32)>,
    pub(super) held: Option<Vec<(PathBuf, u32)>>,
    pub(super) classes: Vec<OsString>,
}

impl Listing {
    pub(super) fn of(folder: &Path) -> Result<Self, DataError> {
        // `train` is a part if it holds folders, a class if it holds files.
        let part = folder.join("train");
        let parted = part.is_dir() && Entry::all(&part)?.iter().any(|entry| entry.folder);
        let root = if parted { &part } else { folder };
        let classes = class_folders(root)?;
        let mut train = Vec::new();
        for (class, name) in classes.iter().enumerate() {
            let before = train.len();
            class_files(&root.join(name), class as u32, &mut train)?;
            if train.len() == before {
                return Err(DataError::Empty { of: root.join(name).display().to_string() });
            }
        }
        if classes.is_empty() {
            return Err(DataError::MissingFile {
                folder: root.to_owned(),
                names: vec!["sub-folder".into()],
                advice: "put the images into one sub-folder a class",
            });
        }
        let held = HELD.iter().map(|name| folder.join(name)).find(|path| parted && path.is_dir());
        let held = held.map(|held| Self::held(&held, &classes)).transpose()?;
        Ok(Self { train, held, classes })
    }

    /// The files to validate by; classes without any are let pass.
    fn held(root: &Path, classes: &[OsString]) -> Result<Vec<(PathBuf, u32)>, DataError> {
        let mut files = Vec::new();
        for name in class_folders(root)? {
            let Some(class) = classes.iter().position(|known| *known == name) else {
                let known: Vec<_> = classes.iter().map(|class| class.to_string_lossy()).collect();
                return Err(DataError::StrayFile {
                    path: root.join(name),
                    found: "a class that the training part has not",
                    expected: format!("that has {}", known.join(", ")),
                });
            };
            class_files(&root.join(name), class as u32, &mut files)?;
        }
        if files.is_empty() {
            return Err(DataError::Empty { of: root.display().to_string() });
        }
        Ok(files)
    }
}

/// Something in a folder that is not hidden.
struct Entry {
    path: PathBuf,
    name: OsString,
    folder: bool,
}

impl Entry {
    /// Sorted by name.
    fn all(folder: &Path) -> Result<Vec<Self>, DataError> {
        let unreadable = |path: &Path, source| DataError::Unreadable { path: path.to_owned(), source };
        let mut all = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
            let entry = entry.map_err(|error| unreadable(folder, error))?;
            let (path, name) = (entry.path(), entry.file_name());
            // Follows links; what file managers leave behind is no data.
            if name.as_encoded_bytes().starts_with(b".") || name == "Thumbs.db" || name == "desktop.ini" {
                continue;
            }
            let folder = fs::metadata(&path).map_err(|error| unreadable(&path, error))?.is_dir();
            all.push(Self { path, name, folder });
        }
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn is_image(&self) -> bool {
        let extension = self.path.extension().unwrap_or_default();
        !self.folder && ["png", "jpg", "jpeg"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    }
}

/// The folders in `root`; other files than images may stand beside them.
fn class_folders(root: &Path) -> Result<Vec<OsString>, DataError> {
    let all = Entry::all(root)?;
    if let Some(stray) = all.iter().find(|entry| entry.is_image()) {
        let expected = "the images lie in one sub-folder a class".to_owned();
        return Err(DataError::StrayFile { path: stray.path.clone(), found: "an image of no class", expected });
    }
    Ok(all.into_iter().filter(|entry| entry.folder).map(|entry| entry.name).collect())
}

fn class_files(folder: &Path, class: u32, files: &mut Vec<(PathBuf, u32)>) -> Result<(), DataError> {
    for entry in Entry::all(folder)? {
        if !entry.is_image() {
            let found = if entry.folder { "a folder" } else { "another file" };
            let expected = "the folder of a class holds PNG and JPEG files (.png, .jpg, .jpeg)".to_owned();
            return Err(DataError::StrayFile { path: entry.path, found, expected });
        }
        files.push((entry.path, class));
    }
    Ok(())
}

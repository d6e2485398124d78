//! The names of a run's classes.

use std::path::Path;

use super::CLASSES;
use crate::error::TrainError;

/// The names of the classes that a run's folder keeps, the first that of class 0. A run whose classes have no names has none,
/// nor has one of a version that did not keep them.
///
/// # Errors
///
/// [`TrainError::BadClasses`] if the file is there and holds no list of names, each once.
pub fn class_names(folder: &Path) -> Result<Option<Vec<String>>, TrainError> {
    let path = folder.join(CLASSES);
    let bad = |reason: String| TrainError::BadClasses { path: path.clone(), reason };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(bad(error.to_string())),
    };
    let names: Vec<String> = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let mut sorted: Vec<_> = names.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(twice) => Err(bad(format!("`{}` stands in it twice", twice[0]))),
        None => Ok(Some(names)),
    }
}

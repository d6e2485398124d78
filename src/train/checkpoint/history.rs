//! `history.jsonl`: one JSON object a line, appended as a run goes.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use serde_json::Value;

use super::{CheckpointError, HISTORY, write_atomic};

/// Appends one line to the history of the run in `folder`, and makes the file if there is none.
///
/// # Errors
///
/// If the file cannot be written.
pub fn append_history(folder: &Path, line: &Value) -> Result<(), CheckpointError> {
    let path = folder.join(HISTORY);
    let append = || {
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        // One write, so that a line is cut short only by a crash in the middle of it; `rewind_history` mends that.
        file.write_all(format!("{line}\n").as_bytes())
    };
    append().map_err(|source| CheckpointError::Unwritable { path: path.clone(), source })
}

/// Drops what a resumed run will write again: lines of steps after `step`, and of epochs after `epochs` whole ones.
///
/// A line with a `step` is judged by it, another by its `epoch` (epochs and steps are counted from 1 in the file), one
/// with neither stays. A last line without its end, left by a crash, goes too. The file is replaced atomically, or
/// left alone where nothing changes. Returns the lines that stay, in order; a missing file is an empty one.
///
/// # Errors
///
/// If the file cannot be read or written, or a line is not a JSON object.
pub fn rewind_history(folder: &Path, epochs: u32, step: u64) -> Result<Vec<Value>, CheckpointError> {
    let path = folder.join(HISTORY);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(CheckpointError::Unreadable { path, source }),
    };
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let (mut kept, mut out) = (String::with_capacity(whole.len()), Vec::new());
    for (at, line) in whole.split_inclusive('\n').enumerate() {
        let value: Value = serde_json::from_str(line)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| CheckpointError::BadHistory { path: path.clone(), line: at + 1 })?;
        let number = |key: &str| value.get(key).and_then(Value::as_f64);
        let stays = match (number("step"), number("epoch")) {
            (Some(at), _) => at <= step as f64,
            (None, Some(at)) => at <= f64::from(epochs),
            (None, None) => true,
        };
        if stays {
            kept.push_str(line);
            out.push(value);
        }
    }
    if kept != text {
        write_atomic(&path, kept.as_bytes())?;
    }
    Ok(out)
}

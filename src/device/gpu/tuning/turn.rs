//! Turns at the file of choices: who reads it, changes it and puts it back must not be overtaken by another process that does the
//! same, or the choices of one of them were lost.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How old a turn may be: it takes milliseconds, and what is older was left behind by a process that ended in the middle.
const STALE: Duration = Duration::from_secs(3);
/// How long another's turn is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(3);

/// A turn, which ends when this goes: a file beside the one that is changed, which only one process at a time can make. (Locks of
/// the system's are missing from some network folders.)
///
/// Where none can be had, because the folder is not there or cannot be written, or somebody holds it for seconds, the work is
/// done without: the file is replaced as a whole, so that the worst that happens is a class that is timed again.
pub(super) struct Turn(Option<PathBuf>);

impl Turn {
    pub(super) fn take(path: &Path) -> Self {
        Self::within(path, STALE, PATIENCE)
    }

    fn within(path: &Path, stale: Duration, patience: Duration) -> Self {
        let mark = path.with_extension("turn");
        if let Some(folder) = path.parent() {
            // Whether that works is said by who writes the file.
            let _ = std::fs::create_dir_all(folder);
        }
        let began = Instant::now();
        loop {
            match OpenOptions::new().write(true).create_new(true).open(&mark) {
                Ok(_) => return Self(Some(mark)),
                Err(error) if busy(error.kind()) && began.elapsed() < patience => {}
                Err(_) => return Self(None),
            }
            // No age, where clocks disagree, is no great age.
            let made = std::fs::metadata(&mark).and_then(|about| about.modified());
            if made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > stale)) {
                let _ = std::fs::remove_file(&mark);
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// Whether another has the turn. Windows denies a file that is just going.
fn busy(kind: ErrorKind) -> bool {
    kind == ErrorKind::AlreadyExists || (cfg!(windows) && kind == ErrorKind::PermissionDenied)
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(mark) = &self.0 {
            let _ = std::fs::remove_file(mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn a_turn_is_held_by_one_and_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("choices.json");
        let mine = Turn::take(&path);
        assert!(mine.0.is_some());
        // Whoever's patience ends goes on without, and leaves the holder's.
        let others = Turn::within(&path, LONG, Duration::ZERO);
        assert!(others.0.is_none());
        drop(others);
        assert!(path.with_extension("turn").exists());
        drop(mine);
        assert!(Turn::within(&path, LONG, Duration::ZERO).0.is_some());
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_dead_process_left_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("choices.json");
        std::mem::forget(Turn::take(&path));
        std::thread::sleep(Duration::from_millis(30));
        assert!(Turn::within(&path, Duration::from_millis(10), LONG).0.is_some());
    }

    #[test]
    fn where_no_file_can_be_made_the_work_is_done_without() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let began = Instant::now();
        assert!(Turn::take(&folder.path().join("file").join("choices.json")).0.is_none());
        assert!(began.elapsed() < PATIENCE);
    }
}

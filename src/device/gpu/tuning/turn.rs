//! Turns at the file of choices: who reads it, changes it and puts it back must not be overtaken by another process that does the
//! same, or the choices of one of them were lost.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long another's turn is waited for; one takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(3);

/// A turn, which ends when this goes, or with its process: the system's lock of a file that stays beside the one that is changed.
///
/// Where none can be had, because the folder is not there or cannot be written, has no locks (some network folders), or somebody
/// holds it for seconds, the work is done without: the file is replaced as a whole, so that the worst that happens is a class that is
/// timed again.
pub(super) struct Turn(Option<File>);

impl Turn {
    pub(super) fn take(path: &Path) -> Self {
        Self::within(path, PATIENCE)
    }

    fn within(path: &Path, patience: Duration) -> Self {
        if let Some(folder) = path.parent() {
            // Whether that works is said by who writes the file.
            let _ = std::fs::create_dir_all(folder);
        }
        let Ok(lock) = File::create(path.with_extension("lock")) else { return Self(None) };
        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Self(Some(lock)),
                Err(TryLockError::WouldBlock) if began.elapsed() < patience => std::thread::sleep(PAUSE),
                Err(_) => return Self(None),
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(lock) = &self.0 {
            // The system does it with the file's end, if not here.
            let _ = lock.unlock();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_held_by_one_and_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("choices.json");
        let mine = Turn::take(&path);
        assert!(mine.0.is_some());
        // Whoever's patience ends goes on without, and leaves the holder's.
        let others = Turn::within(&path, Duration::ZERO);
        assert!(others.0.is_none());
        drop(others);
        assert!(Turn::within(&path, Duration::ZERO).0.is_none());
        drop(mine);
        assert!(Turn::within(&path, Duration::ZERO).0.is_some());
    }

    #[test]
    fn what_a_dead_process_left_is_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("choices.json");
        std::fs::write(path.with_extension("lock"), "").unwrap();
        assert!(Turn::within(&path, Duration::ZERO).0.is_some());
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

//! Files that are either old or new, never half of each.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::CheckpointError;

/// Replaces a file by `bytes`, or leaves it as it was.
///
/// Written beside it under another name, brought to the disk, and renamed: a crash or a full disk leaves the previous
/// file (and at worst a stray `.thalweg-…` beside it, which nothing reads).
///
/// # Errors
///
/// [`CheckpointError::Unwritable`] with the path and what the operating system says.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".thalweg-");
        // As any other file: what the umask leaves, not the private mode of temporary files.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        // The rename is durable once the folder is; where a folder cannot be opened as a file, the system sees to it.
        if let Ok(folder) = File::open(folder) {
            let _ = folder.sync_all();
        }
        Ok(())
    };
    write().map_err(|source| CheckpointError::Unwritable { path: path.to_owned(), source })
}

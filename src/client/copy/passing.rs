//! A folder that is there for a while.

use std::{fs, io, path::Path, path::PathBuf};

/// Is removed with all that is in it, unless its content has gone elsewhere.
pub(super) struct Passing(pub(super) PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        if fs::remove_dir_all(&self.0).is_err() {
            // Folders that their user may not write to.
            let _ = open_folders(&self.0).and_then(|()| fs::remove_dir_all(&self.0));
        }
    }
}

fn open_folders(folder: &Path) -> io::Result<()> {
    open_up(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_folders(&entry.path())?;
        }
    }
    Ok(())
}

/// So that it can be read, and a folder changed.
#[cfg(unix)]
pub(super) fn open_up(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
pub(super) fn open_up(_: &Path) -> io::Result<()> {
    Ok(())
}

//! A folder that has come is put into one that is there, file by file.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use super::landing::unwritable;
use crate::client::Error;

/// Moves what is in `from` to where `to` has it, folder by folder.
pub(super) fn merge(from: &Path, to: &Path) -> Result<(), Error> {
    // Nothing is moved out of one that is read-only.
    open_up(from).map_err(|error| unwritable(to, &error))?;
    for entry in fs::read_dir(from).map_err(|error| unwritable(to, &error))? {
        let entry = entry.map_err(|error| unwritable(to, &error))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let there = fs::symlink_metadata(&target).ok();
        match there.map(|there| there.is_dir()) {
            Some(true) if is_folder => merge(&source, &target)?,
            Some(false) if is_folder => return Err(in_the_way(&target, "a file", "a folder")),
            Some(true) => return Err(in_the_way(&target, "a folder", "a file")),
            Some(false) | None => {
                relocate(&source, &target, is_folder)
                    .map_err(|error| unwritable(&target, &error))?;
            }
        }
    }
    Ok(())
}

/// Gives what has come its name. Another file system may begin below the folder: there it is copied, and gets its
/// name as all else does, once it is whole.
fn relocate(source: &Path, target: &Path, is_folder: bool) -> io::Result<()> {
    match rename(source, target, is_folder) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let into = target.parent().unwrap_or(Path::new("."));
            let beside = tempfile::Builder::new().prefix(PART).tempdir_in(into)?;
            let copy = beside.path().join("copy");
            duplicate(source, &copy)?;
            rename(&copy, target, is_folder)
        }
        renamed => renamed,
    }
}

/// A folder that is read-only goes nowhere: it holds where it is.
fn rename(source: &Path, target: &Path, is_folder: bool) -> io::Result<()> {
    if !is_folder {
        return fs::rename(source, target);
    }
    let permissions = fs::metadata(source)?.permissions();
    open_up(source)?;
    let renamed = fs::rename(source, target);
    let it = if renamed.is_ok() { target } else { source };
    fs::set_permissions(it, permissions)?;
    renamed
}

/// A file, a link or a folder with all that is in it, with permissions and times.
fn duplicate(source: &Path, target: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(source)?;
    if metadata.is_symlink() {
        return link(&fs::read_link(source)?, target);
    }
    open_up(source)?;
    if metadata.is_dir() {
        fs::create_dir(target)?;
        for entry in fs::read_dir(source)? {
            let entry = entry?;
            duplicate(&entry.path(), &target.join(entry.file_name()))?;
        }
    } else {
        fs::copy(source, target)?;
    }
    date(target, &metadata)?;
    fs::set_permissions(target, metadata.permissions())
}

fn in_the_way(path: &Path, there: &str, source: &str) -> Error {
    Error::local(format!("{} is {there}, and the source has {source} there", path.display()))
        .next("move it away, or name another place")
}

#[cfg(unix)]
fn link(to: &Path, target: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, target)
}

/// What can be had without a privilege.
#[cfg(not(unix))]
fn link(to: &Path, target: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(to, target)
}

/// Through a descriptor that may be for reading alone, which a folder's is.
#[cfg(unix)]
fn date(path: &Path, like: &fs::Metadata) -> io::Result<()> {
    File::open(path)?.set_modified(like.modified()?)
}

#[cfg(not(unix))]
fn date(path: &Path, like: &fs::Metadata) -> io::Result<()> {
    match like.is_dir() {
        true => Ok(()),
        false => File::options().write(true).open(path)?.set_modified(like.modified()?),
    }
}

/// So that it can be read, and a folder changed.
#[cfg(unix)]
pub(super) fn open_up(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
pub(super) fn open_up(_: &Path) -> io::Result<()> {
    Ok(())
}

const PART: &str = ".ssmport-part.";

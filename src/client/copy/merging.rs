//! A folder that has come is put into one that is there, file by file.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use super::{
    landing::unwritable,
    passing::{Passing, open_up},
};
use crate::client::Error;

/// What is in `from` goes to where `to` has it, folder by folder, for as long as `is_wanted`.
pub(super) struct Merging<'a> {
    pub(super) is_wanted: &'a dyn Fn() -> bool,
}

impl Merging<'_> {
    pub(super) fn merge(&self, from: &Path, to: &Path) -> Result<(), Error> {
        // Nothing is moved out of one that is read-only.
        open_up(from).map_err(|error| unwritable(to, &error))?;
        for entry in fs::read_dir(from).map_err(|error| unwritable(to, &error))? {
            let entry = entry.map_err(|error| unwritable(to, &error))?;
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            self.go_on().map_err(|error| unwritable(to, &error))?;
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let there = fs::symlink_metadata(&target).ok();
            match there.map(|there| there.is_dir()) {
                Some(true) if is_folder => self.merge(&source, &target)?,
                Some(false) if is_folder => return Err(in_the_way(&target, "a file", "a folder")),
                Some(true) => return Err(in_the_way(&target, "a folder", "a file")),
                Some(false) | None => {
                    self.relocate(&source, &target, is_folder)
                        .map_err(|error| unwritable(&target, &error))?;
                }
            }
        }
        Ok(())
    }

    /// Gives what has come its name. Another file system may begin below the folder: there it is copied, and gets
    /// its name as all else does, once it is whole.
    fn relocate(&self, source: &Path, target: &Path, is_folder: bool) -> io::Result<()> {
        match rename(source, target, is_folder) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let into = target.parent().unwrap_or(Path::new("."));
                let beside = tempfile::Builder::new().prefix(PART).tempdir_in(into)?;
                let beside = Passing(beside.keep());
                let copy = beside.0.join("copy");
                self.duplicate(source, &copy)?;
                rename(&copy, target, is_folder)
            }
            renamed => renamed,
        }
    }

    /// A file or a folder with all that is in it, with permissions and times; or a link.
    fn duplicate(&self, source: &Path, target: &Path) -> io::Result<()> {
        let metadata = fs::symlink_metadata(source)?;
        if metadata.is_symlink() {
            return link(&fs::read_link(source)?, target);
        }
        if metadata.is_dir() {
            open_up(source)?;
            fs::create_dir(target)?;
            for entry in fs::read_dir(source)? {
                let entry = entry?;
                self.duplicate(&entry.path(), &target.join(entry.file_name()))?;
            }
        } else {
            self.copy(&readable(source, &metadata)?, target)?;
        }
        date(target, &metadata)?;
        fs::set_permissions(target, metadata.permissions())
    }

    fn copy(&self, source: &File, target: &Path) -> io::Result<()> {
        let mut target = File::create_new(target)?;
        while io::copy(&mut source.take(STEP), &mut target)? > 0 {
            self.go_on()?;
        }
        Ok(())
    }

    fn go_on(&self) -> io::Result<()> {
        match (self.is_wanted)() {
            true => Ok(()),
            false => Err(io::Error::other("the copy was ended")),
        }
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

/// A file that its owner may not read is opened all the same. It may have other names: its permissions stay.
fn readable(path: &Path, about: &fs::Metadata) -> io::Result<File> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            let opened = File::open(path);
            fs::set_permissions(path, about.permissions())?;
            opened
        }
        opened => opened,
    }
}

fn in_the_way(path: &Path, there: &str, source: &str) -> Error {
    Error::local(format!("{} is {there}, and the source has {source} there", path.display()))
        .next("move it away, or name another place")
}

#[cfg(unix)]
fn link(to: &Path, target: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, target)
}

/// As what unpacks makes them.
#[cfg(not(unix))]
fn link(to: &Path, target: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(to, target)
}

/// Through a descriptor that is for reading alone, which a folder's is.
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

const PART: &str = ".ssmport-part.";
/// Bytes between two looks at whether it is wanted.
const STEP: u64 = 64 << 20;

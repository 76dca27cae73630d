//! A file of settings that is somebody else's: read, and replaced as a whole or not at all.

use std::{
    ffi::OsString,
    fs::{self, File, Metadata, OpenOptions},
    io::{Error, ErrorKind, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::{
    cli::failure::Failure,
    files::{self, LONGEST_BY_HAND},
};

/// A file as it is now.
#[derive(Debug)]
pub(super) struct ConfigFile {
    /// Where links lead to.
    path: PathBuf,
    /// `None` when there is no such file yet.
    now: Option<(String, Metadata)>,
}

impl ConfigFile {
    /// Reads the file at `path`, links followed. Refused: what is not a file, cannot be written, or
    /// is not UTF-8.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let refused =
            |error: Error| Failure::local(format!("cannot edit {}", path.display())).because(error);
        let path = end_of_links(path).map_err(refused)?;
        let metadata = match fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Self { path, now: None });
            }
            metadata => metadata.map_err(refused)?,
        };
        if !metadata.is_file() {
            return Err(refused(Error::other("it is not a file")));
        }
        if metadata.permissions().readonly() {
            return Err(refused(Error::other("it is read-only")));
        }
        // Replacing it would succeed where writing to it does not.
        OpenOptions::new().write(true).open(&path).map_err(refused)?;
        let bytes = files::read(&path, LONGEST_BY_HAND).map_err(refused)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
            let line = before.filter(|byte| **byte == b'\n').count() + 1;
            refused(Error::other(format!("line {line} is not UTF-8")))
        })?;
        Ok(Self { path, now: Some((text, metadata)) })
    }

    /// Its text, unless there is no such file.
    pub(super) fn text(&self) -> Option<&str> {
        self.now.as_ref().map(|(text, _)| text.as_str())
    }

    /// Gives the file the text `after`, at once for whoever reads it, with the permissions and the
    /// owner that it had; without a file so far, creates it for the user alone, and its folder too.
    /// What was there before is kept beside it, in the file whose path this returns: the very first time
    /// in one that is never written again, later in another.
    pub(super) fn replace(&self, after: &str) -> Result<Option<PathBuf>, Failure> {
        let failed = |path: &Path| {
            let what = format!("cannot write {}", path.display());
            move |error: Error| Failure::local(what).because(error)
        };
        let Some((before, metadata)) = &self.now else {
            create_folder_of(&self.path).map_err(failed(&self.path))?;
            put(&self.path, after, None).map_err(failed(&self.path))?;
            return Ok(None);
        };
        let beside = |suffix: &str| {
            let mut backup = OsString::from(&self.path);
            backup.push(suffix);
            PathBuf::from(backup)
        };
        let first = beside(BACKUP);
        let is_first = fs::symlink_metadata(&first).is_err();
        let backup = if is_first { first } else { beside(LATER_BACKUP) };
        put(&backup, before, Some(metadata)).map_err(failed(&backup))?;
        put(&self.path, after, Some(metadata)).map_err(failed(&self.path))?;
        Ok(Some(backup))
    }
}

/// The path without a link in its last place, whether a file is there or not.
fn end_of_links(path: &Path) -> Result<PathBuf, Error> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_symlink() => {
                let target = fs::read_link(&path)?;
                path = path.parent().unwrap_or(Path::new("")).join(target);
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => return Ok(path),
        }
    }
    Err(Error::other("too many links lead from one to the next"))
}

/// Writes a file beside `path` and puts it into its place.
fn put(path: &Path, text: &str, like: Option<&Metadata>) -> Result<(), Error> {
    let mut file = NamedTempFile::with_prefix_in(".ssmport-", folder_of(path))?;
    file.write_all(text.as_bytes())?;
    if let Some(like) = like {
        keep_owner(file.as_file(), like)?;
        file.as_file().set_permissions(like.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Where root edits somebody's file, ssh would refuse one that belongs to root.
#[cfg(unix)]
fn keep_owner(file: &File, like: &Metadata) -> Result<(), Error> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let now = file.metadata()?;
    if (now.uid(), now.gid()) == (like.uid(), like.gid()) {
        return Ok(());
    }
    fchown(file, Some(like.uid()), Some(like.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_file: &File, _like: &Metadata) -> Result<(), Error> {
    Ok(())
}

fn create_folder_of(path: &Path) -> Result<(), Error> {
    let mut folders = fs::DirBuilder::new();
    folders.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folders, 0o700);
    folders.create(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

const BACKUP: &str = ".before-ssmport";
const LATER_BACKUP: &str = ".before-ssmport.last";
/// As many as Linux follows.
const MAX_LINKS: usize = 40;

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn refusal(path: &Path) -> String {
        let failure = ConfigFile::read(path).unwrap_err();
        assert!(failure.what.contains(&*path.to_string_lossy()), "{}", failure.what);
        failure.why.unwrap()
    }

    #[test]
    fn a_new_file_and_its_folder_are_the_users_alone() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(".ssh/config");
        let file = ConfigFile::read(&path).unwrap();
        assert_eq!(file.text(), None);
        assert_eq!(file.replace("x\n").unwrap(), None);
        assert_eq!(fs::read(&path).unwrap(), b"x\n");
        assert_eq!((mode(&path), mode(&folder.path().join(".ssh"))), (0o600, 0o700));
        assert_eq!(names(&folder.path().join(".ssh")), ["config"]);
    }

    #[test]
    fn a_changed_file_keeps_its_permissions_and_what_it_was() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("config");
        fs::write(&path, "before").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let file = ConfigFile::read(&path).unwrap();
        assert_eq!(file.text(), Some("before"));
        let backup = file.replace("after").unwrap().unwrap();
        assert_eq!(backup, folder.path().join("config.before-ssmport"));
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert_eq!(fs::read(&backup).unwrap(), b"before");
        assert_eq!((mode(&path), mode(&backup)), (0o640, 0o640));
        assert_eq!(names(folder.path()), ["config", "config.before-ssmport"]);

        // The first one stays.
        for (before, after) in [("after", "third"), ("third", "fourth")] {
            let later = ConfigFile::read(&path).unwrap().replace(after).unwrap().unwrap();
            assert_eq!(later, folder.path().join("config.before-ssmport.last"));
            assert_eq!(fs::read_to_string(&later).unwrap(), before);
        }
        assert_eq!(fs::read(&backup).unwrap(), b"before");
    }

    #[test]
    fn links_are_followed_and_stay() {
        let folder = TempDir::new().unwrap();
        let (real, link) = (folder.path().join("dotfiles/config"), folder.path().join("config"));
        fs::create_dir(folder.path().join("dotfiles")).unwrap();
        symlink("dotfiles/second", &link).unwrap();
        symlink("config", folder.path().join("dotfiles/second")).unwrap();
        for (before, after) in [(None, "one"), (Some("one"), "two")] {
            let file = ConfigFile::read(&link).unwrap();
            assert_eq!(file.text(), before);
            file.replace(after).unwrap();
            assert_eq!(fs::read_to_string(&real).unwrap(), after);
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        }
        symlink("round", folder.path().join("round")).unwrap();
        assert!(refusal(&folder.path().join("round")).contains("too many links"));
    }

    #[test]
    fn what_cannot_be_edited_is_refused() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("config");
        assert!(refusal(folder.path()).contains("not a file"));
        fs::write(&path, b"a\nb\n\xff\n").unwrap();
        assert_eq!(refusal(&path), "line 3 is not UTF-8");
        fs::write(&path, "a").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert_eq!(refusal(&path), "it is read-only");
        assert!(ConfigFile::read(&path.join("below")).is_err());
    }
}

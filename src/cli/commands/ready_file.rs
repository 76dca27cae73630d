//! A file that says that something is ready, or which process it is, for whoever waits for it.

use std::{
    fs,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use crate::cli::failure::Failure;
use crate::files;
#[cfg(unix)]
use crate::reaper::{Entrusted, FileId, Remnant};

/// The file, which is removed with this, unless somebody else has put another there.
#[derive(Debug)]
pub(super) struct ReadyFile {
    path: PathBuf,
    content: String,
    /// It goes after a kill, too.
    #[cfg(unix)]
    _entrusted: Entrusted,
}

/// What it is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Ready,
    Pid,
}

impl ReadyFile {
    /// Removes what somebody else has left there: it would be taken for ours.
    ///
    /// # Errors
    /// It cannot be removed, or there could be none.
    pub(super) fn clear(purpose: Purpose, path: &Path) -> Result<(), Failure> {
        let failure = |path| failure(purpose, path);
        let failed = |why: io::Error| failure(path).because(why);
        let folder = folder_of(path);
        if !folder.is_dir() {
            return Err(failure(path).because(format!("{} is no folder", folder.display())));
        }
        match fs::symlink_metadata(path) {
            Ok(there) if there.is_dir() => Err(failure(path).because("it is a folder")),
            Ok(there) if there.is_file() || there.is_symlink() => {
                fs::remove_file(path).map_err(failed)
            }
            // A device, or a pipe, which others have.
            Ok(_) => Err(failure(path).because("what is there is no file")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes it, for its user's eyes only. It is there when it is whole.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn write(purpose: Purpose, path: &Path, content: String) -> Result<Self, Failure> {
        let write = || -> io::Result<Self> {
            let path = std::path::absolute(path)?;
            let mut file = tempfile::NamedTempFile::new_in(folder_of(&path))?;
            file.write_all(content.as_bytes())?;
            #[cfg(unix)]
            let entrusted = {
                let file = FileId::of(&file.as_file().metadata()?);
                Entrusted::new(Remnant::File { file, path: path.clone() })
            };
            file.persist(&path)?;
            Ok(Self {
                path,
                content,
                #[cfg(unix)]
                _entrusted: entrusted,
            })
        };
        write().map_err(|why| failure(purpose, path).because(why))
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        let limit = self.content.len() as u64;
        if files::read(&self.path, limit).is_ok_and(|there| there == self.content.as_bytes())
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!("{}: not removed: {error}", self.path.display());
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

fn failure(purpose: Purpose, path: &Path) -> Failure {
    let name = match purpose {
        Purpose::Ready => "ready",
        Purpose::Pid => "pid",
    };
    Failure::local(format!("cannot write the {name} file {}", path.display()))
        .next(format!("give another one with --{name}-file, in a folder that is there"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_whole_and_its_users_until_it_is_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ready");
        fs::write(&path, "left by another").expect("written");
        ReadyFile::clear(Purpose::Ready, &path).expect("removed");
        assert!(!path.exists());
        ReadyFile::clear(Purpose::Ready, &path).expect("nothing to do");
        let file = ReadyFile::write(Purpose::Ready, &path, "{}\n".to_owned()).expect("written");
        assert_eq!(fs::read_to_string(&path).expect("there"), "{}\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        }
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn that_of_another_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ready");
        let first = ReadyFile::write(Purpose::Ready, &path, "1".to_owned()).expect("written");
        let second = ReadyFile::write(Purpose::Ready, &path, "2".to_owned()).expect("written");
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn where_it_cannot_be_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        #[cfg(unix)]
        {
            let socket = folder.path().join("socket");
            let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
            let failure = ReadyFile::clear(Purpose::Pid, &socket).expect_err("a socket");
            assert_eq!(failure.why.as_deref(), Some("what is there is no file"));
            assert!(socket.exists());
        }
        let failure = ReadyFile::clear(Purpose::Ready, folder.path()).expect_err("a folder");
        assert_eq!(failure.why.as_deref(), Some("it is a folder"));
        let nowhere = folder.path().join("absent/ready");
        let why = ReadyFile::clear(Purpose::Ready, &nowhere)
            .expect_err("no folder")
            .why
            .expect("a reason");
        assert!(why.ends_with("absent is no folder"), "{why}");
        ReadyFile::clear(Purpose::Ready, Path::new("absent")).expect("the working folder is one");
        let failure =
            ReadyFile::write(Purpose::Ready, &nowhere, String::new()).expect_err("no folder");
        assert_eq!(failure.what, format!("cannot write the ready file {}", nowhere.display()));
    }
}

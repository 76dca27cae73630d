//! The files of Unix sockets.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock, open},
    io::Errno,
};
use socket2::{Domain, SockAddr, Socket, Type};

use super::patience::within_a_second;

/// Which file, whatever its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileId {
    /// The device's number.
    pub device: u64,
    /// The inode's number there. When the file is gone it may become another's.
    pub inode: u64,
}

impl FileId {
    /// Which file this is told of.
    pub fn of(file: &fs::Metadata) -> Self {
        Self { device: file.dev(), inode: file.ino() }
    }
}

/// Keeps others who want to replace or remove abandoned sockets of a folder waiting while it is held.
///
/// Between the look at a socket and its removal another program may have put its own in its place;
/// between bind and listen a socket looks abandoned. The lock is one on the folder itself, so that no
/// file is left behind, and it ends with the process that holds it.
#[derive(Debug)]
pub struct FolderLock {
    _folder: Option<fs::File>,
}

impl FolderLock {
    /// Waits for the lock of the folder that `path` is in, for no longer than a second: whoever may
    /// read a folder can hold its lock, and must not keep sockets from being opened. So there is none
    /// after that time, nor in a folder that cannot be read, nor where the file system has no locks.
    pub fn of(path: &Path) -> Self {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = open(folder, flags, Mode::empty()).ok().map(fs::File::from);
        Self { _folder: folder.filter(Self::lock) }
    }

    fn lock(folder: &fs::File) -> bool {
        let mut answer = Err(Errno::WOULDBLOCK);
        within_a_second(|| {
            answer = flock(folder, FlockOperation::NonBlockingLockExclusive);
            !matches!(answer, Err(Errno::WOULDBLOCK | Errno::INTR))
        });
        if let Err(error) = answer {
            tracing::debug!("the folder of a socket cannot be locked: {error}");
        }
        answer.is_ok()
    }
}

/// Whether nobody listens at `path` any more.
///
/// # Errors
/// There can be no socket of that path, or none at all.
pub fn is_abandoned(path: &Path) -> io::Result<bool> {
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A program that is too busy to accept would hold us up, and is there all the same.
    probe.set_nonblocking(true)?;
    let answer = probe.connect(&SockAddr::unix(path)?);
    Ok(answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
}

/// Removes the socket file at `path` that nobody listens on, if it is one that is meant. Another
/// program may have replaced it already, even by a file with the same inode.
pub(super) fn remove_abandoned(path: &Path, is_meant: impl Fn(FileId) -> bool) {
    let is_ours =
        |there: fs::Metadata| there.file_type().is_socket() && is_meant(FileId::of(&there));
    // Threads of a program that was killed may outlive its first one by a moment, and keep the
    // listener.
    within_a_second(|| {
        let _lock = FolderLock::of(path);
        if !fs::symlink_metadata(path).is_ok_and(&is_ours) {
            return true;
        }
        let is_abandoned = is_abandoned(path).unwrap_or(false);
        if is_abandoned {
            let _ = fs::remove_file(path);
        }
        is_abandoned
    });
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use tempfile::TempDir;

    use super::{super::remnant::Remnant, *};

    #[test]
    fn an_abandoned_socket_is_removed_if_it_is_the_same() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let file = FileId::of(&fs::symlink_metadata(&path).unwrap());
        let another = FileId { inode: file.inode + 1, ..file };

        // Somebody listens.
        Remnant::Socket { file, path: path.clone() }.remove();
        Remnant::Binding(path.clone()).remove();
        assert!(path.exists());

        drop(listener);
        Remnant::Socket { file: another, path: path.clone() }.remove();
        assert!(path.exists());
        Remnant::Socket { file, path: path.clone() }.remove();
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("s");
        fs::write(&path, "precious").unwrap();
        let file = FileId::of(&fs::symlink_metadata(&path).unwrap());
        Remnant::Socket { file, path: path.clone() }.remove();
        Remnant::Binding(path.clone()).remove();
        assert!(path.exists());
    }

    #[test]
    fn a_socket_of_which_only_the_announcement_came_is_removed() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        Remnant::Binding(path.clone()).remove();
        assert!(!path.exists());
    }
}

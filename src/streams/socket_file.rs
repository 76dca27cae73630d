//! A listening Unix socket and its file.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt},
        net::UnixStream as BlockingStream,
    },
    path::{Path, PathBuf},
    task::{Context, Poll},
};

use rustix::{fs::Mode, process::umask};
use tokio::net::{UnixListener, UnixStream};

/// A Unix socket that only its owner may connect to. Its file goes away with it.
#[derive(Debug)]
pub struct SocketFile {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl SocketFile {
    /// Listens at `path`. A socket file that nobody listens on any more is replaced; any other
    /// file stays.
    ///
    /// # Errors
    /// Something that is no abandoned socket is there, or the system refuses.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if let Ok(there) = fs::symlink_metadata(path) {
            if !there.file_type().is_socket() {
                let what = "there is a file of that name which is no socket";
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
            }
            match BlockingStream::connect(path) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    fs::remove_file(path)?;
                }
                _ => return Err(io::ErrorKind::AddrInUse.into()),
            }
        }
        // Not by a change of mode afterwards: until then anyone could connect.
        let before = umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
        let listener = UnixListener::bind(path);
        umask(before);
        let listener = listener?;
        let inode = fs::symlink_metadata(path)?.ino();
        Ok(Self { listener, path: path.to_owned(), inode })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        self.listener.poll_accept(cx).map_ok(|(socket, _)| socket)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another program may have put its own file in our file's place.
        let is_ours =
            |there: fs::Metadata| there.ino() == self.inode && there.file_type().is_socket();
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    #[tokio::test]
    async fn the_file_is_the_owners_alone_and_goes_away_with_the_listener() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("s");
        let file = SocketFile::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(file);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn an_abandoned_socket_is_replaced_and_nothing_else() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let file = SocketFile::bind(&path).unwrap();
        assert_eq!(SocketFile::bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(file);

        fs::write(&path, "precious").unwrap();
        assert_eq!(SocketFile::bind(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_file_that_took_our_place_is_left_alone() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("s");
        let file = SocketFile::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another's").unwrap();
        drop(file);
        assert!(path.exists());
    }
}

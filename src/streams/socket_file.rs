//! A listening Unix socket and its file.

use std::{
    fs, io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    task::{Context, Poll},
};

use rustix::{fs::Mode, process::umask};
use tokio::net::{UnixListener, UnixStream};

use crate::reaper::{Entrusted, FileId, Remnant, is_abandoned};

/// A Unix socket that only its owner may connect to. Its file goes away with it, even when the
/// program is killed.
#[derive(Debug)]
pub struct SocketFile {
    listener: UnixListener,
    path: PathBuf,
    file: FileId,
    _entrusted: Entrusted,
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
            if !is_abandoned(path)? {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            fs::remove_file(path)?;
        }
        let absolute = std::path::absolute(path)?;
        let entrusted = Entrusted::new(Remnant::Binding(absolute.clone()));
        // Not by a change of mode afterwards: until then anyone could connect.
        let before = umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
        let listener = UnixListener::bind(path);
        umask(before);
        let listener = listener?;
        let file = FileId::of(&fs::symlink_metadata(path)?);
        entrusted.becomes(Remnant::Socket { file, path: absolute });
        Ok(Self { listener, path: path.to_owned(), file, _entrusted: entrusted })
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
            |there: fs::Metadata| FileId::of(&there) == self.file && there.file_type().is_socket();
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use socket2::{Domain, SockAddr, Socket, Type};
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

        let inner = folder.path().join("folder");
        fs::create_dir(&inner).unwrap();
        assert_eq!(SocketFile::bind(&inner).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(inner.is_dir());
    }

    #[tokio::test]
    async fn a_link_is_left_alone_wherever_it_leads() {
        let folder = TempDir::new().unwrap();
        let (abandoned, link) = (folder.path().join("s"), folder.path().join("link"));
        drop(std::os::unix::net::UnixListener::bind(&abandoned).unwrap());
        for to in [&abandoned, &folder.path().join("nowhere")] {
            symlink(to, &link).unwrap();
            assert_eq!(SocketFile::bind(&link).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(&fs::read_link(&link).unwrap(), to);
            fs::remove_file(&link).unwrap();
        }
        assert!(abandoned.exists());
    }

    #[tokio::test]
    async fn a_socket_whose_program_is_too_busy_to_accept_is_left_alone() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("s");
        let busy = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        busy.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        busy.listen(0).unwrap();
        let mut waiting = Vec::new();
        loop {
            let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            match client.connect(&SockAddr::unix(&path).unwrap()) {
                Ok(()) => waiting.push(client),
                Err(_) => break,
            }
        }
        assert_eq!(SocketFile::bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert!(path.exists());
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

    #[tokio::test]
    async fn a_socket_that_took_our_place_is_left_alone() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("s");
        let first = SocketFile::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = SocketFile::bind(&path).unwrap();
        drop(first);
        UnixStream::connect(&path).await.unwrap();
        drop(second);
        assert!(!path.exists());
    }
}

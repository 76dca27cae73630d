//! A listening Unix socket and its file.

use std::{
    fs, io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use rustix::{fs::Mode, process::umask};
use tokio::net::{UnixListener, UnixStream};

use crate::reaper::{Entrusted, FileId, FolderLock, Remnant, is_abandoned};

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
    /// file stays. Of several that want to replace it at once, one does.
    ///
    /// # Errors
    /// Something that is no abandoned socket is there, or the system refuses.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let _lock = FolderLock::of(path);
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
        let listener = bind_privately(path)?;
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

/// Not by a change of mode afterwards: until then anyone could connect.
fn bind_privately(path: &Path) -> io::Result<UnixListener> {
    // Of the whole process: two at once would make the stricter one stay.
    static MASK: Mutex<()> = Mutex::new(());
    let _turn = MASK.lock().unwrap_or_else(PoisonError::into_inner);
    let before = umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
    let listener = UnixListener::bind(path);
    umask(before);
    listener
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
    use std::{
        future::poll_fn,
        os::unix::fs::{PermissionsExt, symlink},
        sync::Barrier,
    };

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

    /// Each of them sees an abandoned socket; the second must not remove the first one's.
    #[tokio::test(flavor = "multi_thread")]
    async fn of_several_that_replace_an_abandoned_socket_at_once_one_does() {
        let folder = TempDir::new().unwrap();
        for round in 0..ROUNDS {
            let path = folder.path().join(round.to_string());
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            let start = Barrier::new(STARTERS);
            let runtime = tokio::runtime::Handle::current();
            let bound: Vec<_> = std::thread::scope(|scope| {
                let bind = || {
                    let _runtime = runtime.enter();
                    start.wait();
                    SocketFile::bind(&path)
                };
                let starters: Vec<_> = (0..STARTERS).map(|_| scope.spawn(bind)).collect();
                starters.into_iter().map(|starter| starter.join().unwrap()).collect()
            });
            let (won, lost): (Vec<_>, Vec<_>) = bound.into_iter().partition(Result::is_ok);
            for error in lost {
                assert_eq!(error.unwrap_err().kind(), io::ErrorKind::AddrInUse, "round {round}");
            }
            let [Ok(winner)] = &won[..] else { panic!("round {round}: {} bound", won.len()) };
            UnixStream::connect(&path).await.unwrap();
            poll_fn(|cx| winner.poll_accept(cx)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_lock_that_somebody_keeps_holds_nobody_up_for_long() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("s");
        let _kept = FolderLock::of(&path);
        SocketFile::bind(&path).unwrap();
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

    const ROUNDS: usize = 200;
    const STARTERS: usize = 3;
}

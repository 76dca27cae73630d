//! What a relay can carry: TCP, and whatever else behaves like it.

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::Parting;

/// A stream socket.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send {
    /// Makes the coming close abrupt (a TCP reset), so that the other side can tell it from a
    /// clean end of file.
    fn reset_on_close(&self) {}

    /// What the other side has done whose end of file has been read.
    fn parting(&self) -> Parting {
        Parting::Unknown
    }
}

impl Socket for TcpStream {
    fn parting(&self) -> Parting {
        Parting::of_tcp(self)
    }

    fn reset_on_close(&self) {
        // When the socket is gone already there is nothing left to reset.
        let _ = self.set_zero_linger();
    }
}

impl Socket for tokio::io::DuplexStream {}

/// Two streams that are one connection: a program's standard input and output.
impl<R, W> Socket for tokio::io::Join<R, W>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
}

/// A Unix socket has no reset: its program reads what was delivered, and then an end of file.
/// Linux alone makes that ECONNRESET, if something that the program has written is still unread.
#[cfg(unix)]
impl Socket for tokio::net::UnixStream {
    fn parting(&self) -> Parting {
        Parting::of_unix(self)
    }
}

impl Socket for Box<dyn Socket> {
    fn reset_on_close(&self) {
        (**self).reset_on_close();
    }

    fn parting(&self) -> Parting {
        (**self).parting()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::ErrorKind;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_unix_socket_that_is_cut_off_tells_so_only_if_something_was_unread() {
        for is_unread in [true, false] {
            let (mut program, mut socket) = tokio::net::UnixStream::pair().unwrap();
            socket.write_all(b"half of").await.unwrap();
            if is_unread {
                program.write_all(b"unread").await.unwrap();
            }
            socket.reset_on_close();
            drop(socket);
            let mut received = Vec::new();
            let end = program.read_to_end(&mut received).await.map_err(|error| error.kind());
            assert_eq!(received, b"half of");
            let expected = if is_unread { Err(ErrorKind::ConnectionReset) } else { Ok(7) };
            assert_eq!(end, expected);
        }
    }
}

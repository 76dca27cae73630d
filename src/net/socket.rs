//! What a relay can carry: TCP, and whatever else behaves like it.

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// A stream socket.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send {
    /// Makes the coming close abrupt (a TCP reset), so that the other side can tell it from a
    /// clean end of file.
    fn reset_on_close(&self) {}
}

impl Socket for TcpStream {
    fn reset_on_close(&self) {
        // When the socket is gone already there is nothing left to reset.
        let _ = self.set_zero_linger();
    }
}

impl Socket for tokio::io::DuplexStream {}

/// A Unix socket has no reset.
#[cfg(unix)]
impl Socket for tokio::net::UnixStream {}

impl Socket for Box<dyn Socket> {
    fn reset_on_close(&self) {
        (**self).reset_on_close();
    }
}

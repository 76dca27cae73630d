//! Where local connections come in: TCP ports, Unix sockets, and this program itself.

use std::{
    fmt, io,
    net::SocketAddr,
    task::{Context, Poll},
};

use tokio::net::TcpListener;

use crate::net::Socket;

/// A local port, or a socket file.
#[derive(Debug)]
pub enum Listener {
    /// A TCP port.
    Tcp(TcpListener),
    /// A Unix socket.
    #[cfg(unix)]
    Unix(super::SocketFile),
    /// This program's own connections.
    Within(super::Within),
}

/// Who connected, as far as it can be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Peer {
    /// Over TCP, from this address.
    Tcp(SocketAddr),
    /// Over a Unix socket.
    Unix,
    /// This program.
    Within,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("a local program"),
            Self::Within => f.write_str("this program"),
        }
    }
}

impl Listener {
    /// The next connection.
    ///
    /// # Errors
    /// The system's, mostly for want of file descriptors.
    pub fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Box<dyn Socket>, Peer)>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(cx).map(|accepted| {
                let (socket, peer) = accepted?;
                // A connection that has gone again already is no failure of the listener: its
                // stream finds out. (macOS says EINVAL here.)
                let _ = socket.set_nodelay(true);
                Ok((Box::new(socket) as Box<dyn Socket>, Peer::Tcp(peer)))
            }),
            #[cfg(unix)]
            Self::Unix(file) => file.poll_accept(cx).map(|accepted| {
                accepted.map(|socket| (Box::new(socket) as Box<dyn Socket>, Peer::Unix))
            }),
            Self::Within(within) => within.poll_accept(cx).map(Ok),
        }
    }

    /// The TCP address; `None` for what is no TCP port.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Self::Unix(_) => None,
            Self::Within(_) => None,
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => address.fmt(f),
                Err(error) => write!(f, "({error})"),
            },
            #[cfg(unix)]
            Self::Unix(file) => file.path().display().fmt(f),
            Self::Within(_) => f.write_str("this program"),
        }
    }
}

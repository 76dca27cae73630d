//! Connections from within this process: one end for the program, the other for a relay. Or those of other
//! programs, which this one has accepted and hands over.

use std::{
    convert::Infallible,
    fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, DuplexStream, ReadBuf, duplex},
    sync::mpsc,
    time::timeout,
};

use super::{Accepted, Peer};
use crate::net::{Parting, Socket};

/// Where a program's own connections come in, as those of other programs do at a port.
#[derive(Debug)]
pub struct Within(mpsc::Receiver<Handed>);

/// A connection that waits to be taken, and whose it is.
struct Handed {
    socket: Box<dyn Socket>,
    peer: Peer,
}

/// Opens connections at a [`Within`].
#[derive(Debug)]
pub struct Connector {
    ends: mpsc::Sender<Handed>,
    refusals: Refusals,
    is_used: mpsc::Sender<Infallible>,
    _is_there: mpsc::Sender<Infallible>,
}

/// Tells when nobody uses a [`Within`] any more.
#[derive(Debug)]
pub struct Vacancy {
    connectors: mpsc::Receiver<Infallible>,
    connections: mpsc::Receiver<Infallible>,
}

/// Connections that the destination has refused, and whether it has ever spoken.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    refusals: AtomicU64,
    has_spoken: AtomicBool,
}

/// A program's end of a connection. What is written is sent; an end of file is the other side's own, and
/// a connection that is cut off is reset.
#[derive(Debug)]
pub struct Connection {
    stream: DuplexStream,
    state: Arc<State>,
    refusals: Refusals,
    refused_before: u64,
    has_heard: bool,
}

/// The relay's end.
#[derive(Debug)]
struct RelayEnd {
    stream: DuplexStream,
    state: Arc<State>,
    _is_used: mpsc::Sender<Infallible>,
}

#[derive(Debug, Default)]
struct State {
    is_reset: AtomicBool,
    /// The program has let go of its end.
    is_left: AtomicBool,
}

impl Within {
    /// One, what opens connections at it, and what tells that it is not used any more.
    pub fn new() -> (Self, Connector, Vacancy) {
        let (ends, taken) = mpsc::channel(QUEUE);
        let (is_used, connections) = mpsc::channel(1);
        let (is_there, connectors) = mpsc::channel(1);
        let refusals = Refusals::default();
        let connector = Connector { ends, refusals, is_used, _is_there: is_there };
        (Self(taken), connector, Vacancy { connectors, connections })
    }

    /// The next connection; none comes any more when nobody can open one.
    pub(super) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<(Box<dyn Socket>, Peer)> {
        match self.0.poll_recv(cx) {
            Poll::Ready(Some(Handed { socket, peer })) => Poll::Ready((socket, peer)),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// What nobody has taken is cut off, and not at its end.
impl Drop for Within {
    fn drop(&mut self) {
        self.0.close();
        while let Ok(handed) = self.0.try_recv() {
            handed.socket.reset_on_close();
        }
    }
}

impl Connector {
    /// Opens a connection. Waits while as many wait to be taken as a listener's queue holds.
    ///
    /// # Errors
    /// Nobody takes connections any more.
    pub async fn connect(&self) -> io::Result<Connection> {
        let (ours, theirs) = duplex(BUFFER);
        let state = Arc::<State>::default();
        let end =
            RelayEnd { stream: theirs, state: Arc::clone(&state), _is_used: self.is_used.clone() };
        let gone = |_| io::Error::from(io::ErrorKind::ConnectionReset);
        // It may be refused as soon as it is taken.
        let refusals = self.refusals.clone();
        let refused_before = refusals.count();
        let handed = Handed { socket: Box::new(end), peer: Peer::Within };
        self.ends.send(handed).await.map_err(gone)?;
        Ok(Connection { stream: ours, state, refusals, refused_before, has_heard: false })
    }

    /// Hands a connection over that `peer` has made. Waits as [`connect`](Self::connect) does; where nobody
    /// takes connections any more it is reset.
    pub async fn hand_over(&self, socket: Box<dyn Socket>, peer: Peer) {
        let socket = Box::new(Used { socket, _is_used: self.is_used.clone() });
        if let Err(mpsc::error::SendError(handed)) = self.ends.send(Handed { socket, peer }).await {
            handed.socket.reset_on_close();
        }
    }

    /// Hands a connection over at once, as `wrap` makes it; or gives it back: nobody takes connections any
    /// more, or as many wait as a listener's queue holds.
    ///
    /// # Errors
    /// The connection, as it was.
    pub fn try_hand_over(
        &self,
        (socket, peer): Accepted,
        wrap: impl FnOnce(Box<dyn Socket>) -> Box<dyn Socket>,
    ) -> Result<(), Accepted> {
        // Its use keeps nobody waiting: whoever hands over so knows what is open.
        match self.ends.try_reserve() {
            Ok(place) => {
                place.send(Handed { socket: wrap(socket), peer });
                Ok(())
            }
            Err(_) => Err((socket, peer)),
        }
    }

    /// Where refusals are to be noted.
    pub fn refusals(&self) -> Refusals {
        self.refusals.clone()
    }
}

impl Refusals {
    /// The destination has refused a connection. Which one is not said: one that ends without a word
    /// behind this.
    pub fn note(&self) {
        self.0.refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// Something has come from the destination.
    pub(super) fn note_speech(&self) {
        self.0.has_spoken.store(true, Ordering::Relaxed);
    }

    /// Whether that has been noted.
    pub fn has_spoken(&self) -> bool {
        self.0.has_spoken.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self) -> u64 {
        self.0.refusals.load(Ordering::Relaxed)
    }
}

impl Vacancy {
    /// Resolves when the connector is gone and every connection has been relayed to its end; of those
    /// that are stuck, when they have had so long.
    pub async fn left(mut self, patience: Duration) {
        // Nothing is ever sent: a channel ends with the last of its senders.
        let _ = self.connectors.recv().await;
        let _ = timeout(patience, self.connections.recv()).await;
    }
}

impl Connection {
    fn is_reset(&self) -> bool {
        self.state.is_reset.load(Ordering::Acquire)
    }

    fn was_refused(&self) -> bool {
        !self.has_heard && self.refusals.count() > self.refused_before
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.state.is_left.store(true, Ordering::Release);
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buffer.remaining();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        Poll::Ready(if buffer.remaining() < room {
            self.has_heard = true;
            Ok(())
        } else if room > 0 && self.was_refused() {
            Err(io::ErrorKind::ConnectionRefused.into())
        } else if room > 0 && self.is_reset() {
            Err(io::ErrorKind::ConnectionReset.into())
        } else {
            Ok(())
        })
    }
}

super::delegate!(Connection, stream);

impl Socket for RelayEnd {
    fn reset_on_close(&self) {
        self.state.is_reset.store(true, Ordering::Release);
    }

    fn parting(&self) -> Parting {
        match self.state.is_left.load(Ordering::Acquire) {
            true => Parting::Closed,
            false => Parting::HalfClosed,
        }
    }
}

super::delegate!(RelayEnd, stream, read);

/// Somebody else's connection, by which a [`Within`] is used.
struct Used {
    socket: Box<dyn Socket>,
    _is_used: mpsc::Sender<Infallible>,
}

impl Socket for Used {
    fn reset_on_close(&self) {
        self.socket.reset_on_close();
    }

    fn parting(&self) -> Parting {
        self.socket.parting()
    }
}

super::delegate!(Used, socket, read);

impl fmt::Debug for Handed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handed").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// Bytes in each direction between the program and the relay.
const BUFFER: usize = 256 * 1024;
/// Connections that wait to be taken.
const QUEUE: usize = 128;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn pair() -> (Connection, Box<dyn Socket>, Connector) {
        let (mut within, connector, _) = Within::new();
        let connection = connector.connect().await.unwrap();
        (connection, within.0.recv().await.unwrap().socket, connector)
    }

    #[tokio::test]
    async fn the_other_sides_end_is_an_end_and_a_cut_is_an_error() {
        for is_cut in [false, true] {
            let (mut ours, mut relays, _) = pair().await;
            relays.write_all(b"half of").await.unwrap();
            if is_cut {
                relays.reset_on_close();
            }
            drop(relays);
            let mut heard = Vec::new();
            let end = ours.read_to_end(&mut heard).await.map_err(|error| error.kind());
            assert_eq!(heard, b"half of");
            assert_eq!(end, if is_cut { Err(io::ErrorKind::ConnectionReset) } else { Ok(7) });
        }
    }

    #[tokio::test]
    async fn one_that_nobody_takes_is_cut_off() {
        let (within, connector, _) = Within::new();
        let mut waiting = connector.connect().await.unwrap();
        drop(within);
        let end = waiting.read_u8().await.map_err(|error| error.kind());
        assert_eq!(end, Err(io::ErrorKind::ConnectionReset));
        let late = connector.connect().await.map(drop).map_err(|error| error.kind());
        assert_eq!(late, Err(io::ErrorKind::ConnectionReset));
    }

    #[tokio::test]
    async fn somebody_elses_is_theirs_and_keeps_it_in_use() {
        let (mut within, connector, vacancy) = Within::new();
        let address = "127.0.0.1:1".parse().unwrap();
        let (mut theirs, ours) = duplex(64);
        connector.hand_over(Box::new(ours), Peer::Tcp(address)).await;
        let (mut socket, peer) = std::future::poll_fn(|cx| within.poll_accept(cx)).await;
        assert_eq!(peer, Peer::Tcp(address));
        drop(connector);
        let left = tokio::spawn(vacancy.left(Duration::from_secs(60)));
        socket.write_all(b"x").await.unwrap();
        assert_eq!(theirs.read_u8().await.unwrap(), b'x');
        assert!(!left.is_finished());
        drop(socket);
        left.await.unwrap();
    }

    #[tokio::test]
    async fn half_a_close_leaves_the_other_half_and_a_drop_does_not() {
        let (mut ours, mut relays, _) = pair().await;
        ours.write_all(b"request").await.unwrap();
        ours.shutdown().await.unwrap();
        let mut heard = Vec::new();
        relays.read_to_end(&mut heard).await.unwrap();
        assert_eq!((&*heard, relays.parting()), (&b"request"[..], Parting::HalfClosed));
        drop(ours);
        assert_eq!(relays.parting(), Parting::Closed);
    }

    #[tokio::test]
    async fn a_refusal_is_told_to_whoever_hears_nothing_else() {
        let (mut ours, relays, connector) = pair().await;
        connector.refusals().note();
        drop(relays);
        let refused = ours.read_u8().await.map_err(|error| error.kind());
        assert_eq!(refused, Err(io::ErrorKind::ConnectionRefused));
    }
}

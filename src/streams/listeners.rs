//! The local side of a forward, which outlives its sessions.

use std::{
    fmt,
    future::poll_fn,
    io,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use super::{Listener, Meter, Peer, Within};
use crate::net::Socket;

/// One or more listeners for the same destination, and a connection that came while there was no
/// session to take it.
pub struct Listeners {
    all: Arc<Mutex<Vec<Listener>>>,
    /// Where the last connection came in: the others have their turn first.
    last: usize,
    waiting: Option<Accepted>,
    meter: Option<Arc<Meter>>,
    placing: Option<Placing>,
}

/// A connection, and who made it.
pub type Accepted = (Box<dyn Socket>, Peer);

/// Other sessions that take some of the connections.
struct Placing {
    place: Place,
    /// What they give back.
    back: Within,
}

/// Takes a connection for another session, or leaves it to the one that has accepted it.
pub type Place = Box<dyn Fn(Box<dyn Socket>, Peer) -> Option<Accepted> + Send + Sync>;

impl Listeners {
    /// All the listeners of one destination.
    pub fn new(all: Vec<Listener>) -> Self {
        Self { all: Arc::new(Mutex::new(all)), last: 0, waiting: None, meter: None, placing: None }
    }

    /// Has all that goes through its connections counted.
    pub fn with_meter(mut self, meter: Arc<Meter>) -> Self {
        self.meter = Some(meter);
        self
    }

    /// What counts, if anything does.
    pub fn meter(&self) -> Option<&Arc<Meter>> {
        self.meter.as_ref()
    }

    /// What closes them while somebody else has them.
    pub fn closer(&self) -> Closer {
        Closer(Arc::clone(&self.all))
    }

    /// Has `place` asked of each connection that a session is about to take. What comes by `back` is offered
    /// to that session again.
    pub fn place_by(&mut self, place: Place, back: Within) {
        self.placing = Some(Placing { place, back });
    }

    /// Leaves all connections to the session that accepts them; what was on its way back is reset.
    pub fn place_no_more(&mut self) {
        self.placing = None;
    }

    /// What the session that has accepted a connection is to do with it: `None` where another one has taken
    /// it.
    pub fn placed(&self, (socket, peer): Accepted) -> Option<Accepted> {
        match &self.placing {
            Some(placing) => (placing.place)(socket, peer),
            None => Some((socket, peer)),
        }
    }

    /// The next connection: one that waits already, else of each listener in turn.
    ///
    /// # Errors
    /// As [`Listener::poll_accept`].
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        if let Some(waiting) = self.waiting.take() {
            return Poll::Ready(Ok(waiting));
        }
        if let Some(placing) = &mut self.placing
            && let Poll::Ready(back) = placing.back.poll_accept(cx)
        {
            return Poll::Ready(Ok(back));
        }
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        for turn in 1..=all.len() {
            let index = (self.last + turn) % all.len();
            if let Poll::Ready(accepted) = all[index].poll_accept(cx) {
                self.last = index;
                let counted = accepted.map(|(socket, peer)| match &self.meter {
                    Some(meter) => (meter.count(socket), peer),
                    None => (socket, peer),
                });
                return Poll::Ready(counted);
            }
        }
        Poll::Pending
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// As [`Listener::poll_accept`].
    pub async fn next(&mut self) -> io::Result<Accepted> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Waits for a connection, and keeps it for the session to come.
    ///
    /// # Errors
    /// As [`Listener::poll_accept`].
    pub async fn connection(&mut self) -> io::Result<&Peer> {
        let accepted = self.next().await?;
        Ok(&self.waiting.insert(accepted).1)
    }

    /// Turns the waiting connection away, if there is one: its program sees a reset, not an end.
    pub fn turn_away(&mut self) {
        if let Some((socket, _)) = self.waiting.take() {
            socket.reset_on_close();
        }
    }
}

/// Closes the listeners of a forward that is to end, whatever holds it up.
#[derive(Clone, Debug)]
pub struct Closer(Arc<Mutex<Vec<Listener>>>);

impl Closer {
    /// Frees their ports and paths. No further connection comes in.
    pub fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.turn_away();
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").field("all", &self.all).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::AsyncReadExt,
        net::{TcpListener, TcpStream},
    };

    use super::*;

    async fn two() -> (Listeners, [u16; 2]) {
        let (mut all, mut ports) = (Vec::new(), [0; 2]);
        for port in &mut ports {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            *port = listener.local_addr().unwrap().port();
            all.push(Listener::Tcp(listener));
        }
        (Listeners::new(all), ports)
    }

    #[tokio::test]
    async fn a_connection_that_came_early_is_taken_first() {
        let (mut listeners, [first, second]) = two().await;
        let early = TcpStream::connect(("127.0.0.1", second)).await.unwrap();
        let peer = listeners.connection().await.unwrap().clone();
        assert_eq!(peer, Peer::Tcp(early.local_addr().unwrap()));
        let late = TcpStream::connect(("127.0.0.1", first)).await.unwrap();
        for client in [early, late] {
            let (_, peer) = poll_fn(|cx| listeners.poll_accept(cx)).await.unwrap();
            assert_eq!(peer, Peer::Tcp(client.local_addr().unwrap()));
        }
    }

    #[tokio::test]
    async fn one_that_is_turned_away_sees_a_reset_and_so_does_one_that_waited_to_the_end() {
        for leave in [|mut listeners: Listeners| listeners.turn_away(), drop] {
            let (mut listeners, [port, _]) = two().await;
            let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            listeners.connection().await.unwrap();
            leave(listeners);
            let error = client.read(&mut [0]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
    }

    #[tokio::test]
    async fn a_port_is_free_as_soon_as_it_is_closed_whoever_waits_there() {
        let (mut listeners, ports) = two().await;
        let closer = listeners.closer();
        let waiting = tokio::spawn(async move { listeners.connection().await.map(drop) });
        tokio::task::yield_now().await;
        closer.close();
        for port in ports {
            TcpListener::bind(("127.0.0.1", port)).await.expect("it is free");
        }
        waiting.abort();
    }
}

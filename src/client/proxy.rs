//! A proxy on this machine for programs that speak SOCKS or HTTP, kept up for as long as its handle lives.

use std::{fmt, net::SocketAddr, time::Duration};

use tokio::sync::{broadcast, oneshot, watch};

use super::{
    Error, Kind, Node,
    bind::bind_at,
    lanes::LaneLimits,
    pac::Pac,
    proxying::{ProxyEvent, ProxyServer},
    spec::Listen,
};
use crate::streams::{Closer, Listener, Listeners};

/// A proxy that is to be.
#[derive(Debug)]
pub struct ProxyBuilder {
    node: Node,
    listen: String,
    limits: LaneLimits,
}

/// A proxy. Each destination has a session of its own, from its first connection on. Dropping it frees the port
/// and ends the sessions.
pub struct Proxy {
    local: Vec<SocketAddr>,
    events: broadcast::Sender<ProxyEvent>,
    closer: Closer,
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<()>,
}

impl ProxyBuilder {
    pub(super) fn new(node: Node, listen: &str) -> Self {
        Self { node, listen: listen.to_owned(), limits: LaneLimits::default() }
    }

    /// Closes a session that nobody has used for so long; 5 minutes unless it is set.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.limits.idle = idle;
        self
    }

    /// Has so many sessions at once and no more, at least one; 16 unless it is set. Where all are in use a
    /// connection to another destination waits for a while.
    #[must_use]
    pub fn sessions(mut self, most: usize) -> Self {
        self.limits.sessions = most.max(1);
        self
    }

    /// Listens. Sessions are started when they are needed.
    ///
    /// # Errors
    /// When the address makes no sense, or the port cannot be had.
    pub async fn start(self) -> Result<Proxy, Error> {
        let Self { node, listen, limits } = self;
        let usage = |why| Error::new(Kind::Usage, format!("`{listen}`")).because(why);
        let Listen { bind, port } = listen.parse().map_err(usage)?;
        let listeners = bind_at(&bind, port, |port| port.to_string()).await?;
        let local: Vec<_> = listeners.iter().filter_map(Listener::tcp_address).collect();
        let listeners = Listeners::new(listeners);
        let (closer, (stop, stopped)) = (listeners.closer(), watch::channel(false));
        let (address, pac) = (local.first().copied(), Pac::new(Vec::new()));
        let server = ProxyServer { node, listeners, address, limits, pac, stop: stopped };
        let events = broadcast::Sender::new(EVENTS);
        let observer = {
            let events = events.clone();
            // Nobody need listen.
            move |event| drop(events.send(event))
        };
        let (end, ended) = oneshot::channel();
        server.node.clone().spawn(async move {
            server.run(observer).await;
            // Its handle may be gone.
            let _ = end.send(());
        });
        Ok(Proxy { local, events, closer, stop, ended })
    }
}

impl Proxy {
    /// The TCP address to connect to; `None` for a socket file.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local.first().copied()
    }

    /// What becomes of it from now on. Whoever is far behind misses the oldest.
    pub fn events(&self) -> broadcast::Receiver<ProxyEvent> {
        self.events.subscribe()
    }

    /// Ends it and its sessions, and waits until the service has heard of it.
    pub async fn end(mut self) {
        self.closer.close();
        self.stop.send_replace(true);
        // An error means that it is over as well.
        let _ = (&mut self.ended).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.closer.close();
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("local", &self.local).finish_non_exhaustive()
    }
}

/// Events that wait for a slow listener.
const EVENTS: usize = 64;

//! A local port that leads to a node, kept up for as long as its handle lives.

use std::{fmt, net::SocketAddr, sync::Arc};

use tokio::sync::{broadcast, oneshot, watch};

use super::{
    Error, Kind,
    bind::{bind, listening},
    node::Node,
    spec::Spec,
    spread::LaneCount,
    tunnel::{self, ForwardedPort, TunnelEvent},
    turbo,
};
use crate::streams::{Closer, Listener, Listeners, Meter, Reading};

/// A tunnel that is to be.
#[derive(Debug)]
pub struct TunnelBuilder {
    node: Node,
    spec: Result<Spec, Error>,
    lanes: LaneCount,
    turbo: bool,
}

/// A forwarded port. A session that is lost is resumed, and one that is over replaced when the next
/// connection comes. Dropping it frees the port and ends the session.
pub struct Tunnel {
    local: Vec<SocketAddr>,
    shown: Vec<String>,
    meter: Arc<Meter>,
    events: broadcast::Sender<TunnelEvent>,
    closer: Closer,
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<Result<(), Error>>,
}

impl TunnelBuilder {
    pub(super) fn new(node: Node, spec: &str) -> Self {
        let usage = |why| Error::new(Kind::Usage, format!("`{spec}`")).because(why);
        Self::with(node, spec.parse().map_err(usage))
    }

    pub(super) fn of(node: Node, spec: Spec) -> Self {
        Self::with(node, Ok(spec))
    }

    fn with(node: Node, spec: Result<Spec, Error>) -> Self {
        Self { node, spec, lanes: LaneCount::default(), turbo: false }
    }

    /// Spreads its connections over so many sessions: what comes by one is limited by the agent's pace.
    #[must_use]
    pub fn lanes(mut self, lanes: LaneCount) -> Self {
        self.lanes = lanes;
        self
    }

    /// Has what comes from the node come by a command's output, which the real agent does not slow down. It
    /// takes an interpreter on the node, python3 or perl; where there is none, or the account does not allow
    /// it, an event says so, and connections go the plain way.
    #[must_use]
    pub fn turbo(mut self, is_wanted: bool) -> Self {
        self.turbo = is_wanted;
        self
    }

    /// Listens, and starts a session; ready when that stands.
    ///
    /// # Errors
    /// When SPEC makes no sense, the port cannot be had, or no session.
    pub async fn start(self) -> Result<Tunnel, Error> {
        let Self { node, spec, lanes, turbo } = self;
        let spec = spec?;
        let listeners = bind(&spec).await?;
        let local: Vec<_> = listeners.iter().filter_map(Listener::tcp_address).collect();
        let shown = listeners.iter().map(ToString::to_string).collect();
        let port = local.first().map_or(0, SocketAddr::port);
        let meter = Arc::<Meter>::default();
        let listeners = Listeners::new(listeners).with_meter(Arc::clone(&meter));
        let (closer, (stop, stopped)) = (listeners.closer(), watch::channel(false));
        let mut forwarded = ForwardedPort {
            service: node.service().clone(),
            request: tunnel::request(&spec, port, node.reason().map(str::to_owned)),
            listeners,
            limits: node.limits(),
            lanes,
            stop: stopped,
            connection: watch::Sender::default(),
        };
        let events = broadcast::Sender::new(EVENTS);
        let (ready, mut is_ready) = watch::channel(false);
        let (end, ended) = oneshot::channel();
        let observer = {
            let events = events.clone();
            move |event: TunnelEvent| {
                let is_ready = matches!(event, TunnelEvent::Ready(_));
                // Nobody need listen.
                let _ = events.send(event);
                // Behind it: whoever listens once the tunnel is started hears of what comes then.
                if is_ready {
                    ready.send_replace(true);
                }
            }
        };
        let client = node.client().clone();
        node.spawn(async move {
            let run = turbo::forward(turbo, &mut forwarded, &client, &spec, observer).await;
            // Its handle may be gone.
            let _ = end.send(run.map(|_| ()));
        });
        let mut tunnel = Tunnel { local, shown, meter, events, closer, stop, ended };
        // What it gives holds a lock.
        let stands = is_ready.wait_for(|ready| *ready).await.is_ok();
        match stands {
            true => Ok(tunnel),
            // The observer is gone, and with it the first session.
            false => Err(match (&mut tunnel.ended).await {
                Ok(Err(error)) => error,
                _ => Error::new(Kind::Lost, "the session ended as it began"),
            }),
        }
    }
}

impl Tunnel {
    /// The TCP address to connect to; `None` for a socket file.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local.first().copied()
    }

    /// Where it listens, as people are told.
    pub(crate) fn listening(&self) -> String {
        listening(&self.shown)
    }

    /// What has gone through it so far.
    pub(crate) fn reading(&self) -> Reading {
        self.meter.read()
    }

    /// What becomes of it from now on; that its first session stands is known. Whoever is far behind misses
    /// the oldest.
    pub fn events(&self) -> broadcast::Receiver<TunnelEvent> {
        self.events.subscribe()
    }

    /// Ends it, and waits until the service has heard of it.
    ///
    /// # Errors
    /// When it had ended before, and why.
    pub async fn end(mut self) -> Result<(), Error> {
        self.closer.close();
        self.stop.send_replace(true);
        (&mut self.ended).await.unwrap_or(Ok(()))
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.closer.close();
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("local", &self.shown).finish_non_exhaustive()
    }
}

/// Events that wait for a slow listener.
const EVENTS: usize = 64;

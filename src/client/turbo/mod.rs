//! Turbo: what comes from the node comes by a command's output, which the real agent does not slow down.
//!
//! ```text
//!                        session of a port              companion.py, or .pl, on the node
//!   local      Relay --> Exchange --> Lane -----------> its port on 127.0.0.1 --> destinations
//!   programs   (each)      ^   frames     <--answers--                               |
//!                          |   blocks                                                |
//!                          '-- Carrier <--------------- its output <-----------------'
//!                              session of a command
//! ```
//!
//! A companion keeps what it has written until that has come: when the agent has stopped reading its output, for
//! good, which a [pause](pulse) does to it, the output goes on where it was by that of another companion, which
//! does nothing else. Whatever else is lost ends the [link](link), and cuts off its connections.

mod allowance;
mod blocks;
mod budget;
mod carrier;
mod companion;
mod exchange;
mod frames;
mod link;
mod pulse;
mod relay;

use std::time::{Duration, Instant};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{sleep, sleep_until},
};

use super::{
    Client,
    error::{Error, Kind},
    node::Node,
    spec::Spec,
    tunnel::{ForwardedPort, TunnelEvent, stopped},
};
use crate::{
    channel::Ready,
    net::now,
    session::SessionEnd,
    streams::{Closed, ConnectionEnd, ForwardEvent, Peer, Stop},
};
use link::Link;
use relay::{Relay, Relayed};

/// Forwards `port` until it is stopped, by turbo if it `is_wanted`; in the plain way where the node, or the
/// account, has not what that takes. A companion that nobody uses is ended; the next connection starts another
/// one.
///
/// # Errors
/// When the first sessions cannot be had.
pub(crate) async fn forward(
    is_wanted: bool,
    port: &mut ForwardedPort,
    client: &Client,
    spec: &Spec,
    observer: impl FnMut(TunnelEvent) + Send,
) -> Result<SessionEnd, Error> {
    if !is_wanted {
        return port.run(observer).await;
    }
    let mut node = Node::new(client.clone(), port.service.clone());
    if let Some(reason) = &port.request.reason {
        node = node.with_reason(reason);
    }
    let host = spec.host.clone().unwrap_or_else(|| HERE.to_owned());
    let mut turbo = Turbo { port, node, host, number: spec.port, observer };
    let ended = turbo.run().await;
    turbo.node.end().await;
    match ended {
        Ok(Ended::Stopped) => Ok(SessionEnd::Done),
        Ok(Ended::Impossible(error)) => {
            let Turbo { port, mut observer, .. } = turbo;
            observer(TunnelEvent::NoTurbo(error));
            port.run(observer).await
        }
        Err(error) => Err(error),
    }
}

/// How a single stream has come to its end.
pub(crate) enum StreamEnd {
    /// Either side has ended it.
    Over(ConnectionEnd),
    /// The node could not connect it, for this reason.
    NotReached(String),
    /// It was cut off.
    Lost(Error),
    /// It was stopped.
    Stopped,
    /// The node, or the account, has not what turbo takes.
    Impossible(Error),
}

/// What a single stream connects, and until when.
pub(crate) struct StreamEnds<R, W> {
    pub(crate) input: R,
    pub(crate) output: W,
    /// Resolves when nobody reads the output any more.
    pub(crate) gone: Stop,
}

/// Connects what `open` gives with `port` of the node itself, by turbo, until `stop` resolves. `greet` is told
/// what the agent says of itself.
///
/// # Errors
/// When the sessions cannot be had, for reasons that are not turbo's.
pub(crate) async fn stream<R, W>(
    node: Node,
    port: u16,
    open: impl FnOnce() -> StreamEnds<R, W> + Send,
    greet: impl FnOnce(&Ready) + Send,
    stop: Stop,
) -> Result<StreamEnd, Error>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let carried = async {
        let (mut link, ready) = match Link::start(&node).await {
            Ok(started) => started,
            Err(error) if error.is_about_the_way() => return Ok(StreamEnd::Impossible(error)),
            Err(error) => return Err(error),
        };
        if let Some(ready) = &ready {
            greet(ready);
        }
        let StreamEnds { input, output, gone } = open();
        let socket = Box::new(tokio::io::join(input, output));
        let relay = Relay::open(link.shared(), socket, HERE, port).ending_with_the_answer();
        tokio::select! {
            // Where it is lost the stream ends, too, and knows less of it.
            biased;
            error = link.run() => Ok(StreamEnd::Lost(error)),
            (relayed, end) = relay.run() => Ok(match relayed {
                Relayed { not_reached: Some(why), .. } => StreamEnd::NotReached(why),
                Relayed { is_cut: true, .. } => {
                    let what = "the destination has reset the connection";
                    StreamEnd::Lost(Error::new(Kind::Lost, what))
                }
                _ => StreamEnd::Over(end),
            }),
            () = gone => Ok(StreamEnd::Over(ConnectionEnd::Broken)),
        }
    };
    let ended = tokio::select! {
        ended = carried => ended,
        () = stop => Ok(StreamEnd::Stopped),
    };
    node.end().await;
    ended
}

/// A port that is forwarded so.
struct Turbo<'a, F> {
    port: &'a mut ForwardedPort,
    node: Node,
    /// As the node sees them.
    host: String,
    number: u16,
    observer: F,
}

/// How all has come to its end.
enum Ended {
    Stopped,
    /// It has never begun, and would not later.
    Impossible(Error),
}

/// How one link has.
enum LinkEnd {
    Stopped,
    /// Nobody used it.
    Idle,
    Lost(Error),
}

/// A connection and what has become of it.
type Relaying = BoxFuture<'static, (Peer, Instant, Relayed, ConnectionEnd)>;

impl<F: FnMut(TunnelEvent) + Send> Turbo<'_, F> {
    async fn run(&mut self) -> Result<Ended, Error> {
        let (mut has_stood, mut is_told) = (false, false);
        loop {
            let began = now();
            let started = tokio::select! {
                started = Link::start(&self.node) => started,
                () = stopped(self.port.stop.clone()) => return Ok(Ended::Stopped),
            };
            let mut not_before = began + PAUSE;
            match started {
                Ok((link, ready)) => {
                    has_stood = true;
                    if let Some(ready) = ready.filter(|_| !is_told) {
                        (self.observer)(TunnelEvent::Ready(ready));
                        is_told = true;
                    }
                    match self.serve(link).await {
                        LinkEnd::Stopped => return Ok(Ended::Stopped),
                        LinkEnd::Idle => {}
                        LinkEnd::Lost(error) => {
                            (self.observer)(TunnelEvent::Lost(error));
                            is_told = false;
                        }
                    }
                }
                Err(error) if has_stood => {
                    (self.observer)(TunnelEvent::NotReplaced(error));
                    self.port.listeners.turn_away();
                    not_before = now() + PAUSE;
                }
                Err(error) if error.is_about_the_way() => return Ok(Ended::Impossible(error)),
                Err(error) => return Err(error),
            }
            if !self.port.connection(not_before, &mut self.observer).await {
                return Ok(Ended::Stopped);
            }
        }
    }

    /// Forwards by one link until that is over.
    async fn serve(&mut self, mut link: Link) -> LinkEnd {
        let mut relays = FuturesUnordered::<Relaying>::new();
        let shared = link.shared();
        let mut idle = std::pin::pin!(sleep(IDLE));
        let (mut accept_from, mut is_full) = (now(), false);
        let ended = {
            let mut run = std::pin::pin!(link.run());
            loop {
                let has_room = relays.len() < MAX_CONNECTIONS;
                if !has_room && !std::mem::replace(&mut is_full, true) {
                    self.forwarded(ForwardEvent::Full { connections: relays.len() });
                }
                is_full &= 2 * relays.len() >= MAX_CONNECTIONS;
                let listeners = &mut self.port.listeners;
                let accept = async {
                    sleep_until(accept_from.into()).await;
                    listeners.next().await
                };
                tokio::select! {
                    error = &mut run => break LinkEnd::Lost(error),
                    () = stopped(self.port.stop.clone()) => break LinkEnd::Stopped,
                    accepted = accept, if has_room => match accepted {
                        Ok((socket, peer)) => {
                            self.forwarded(ForwardEvent::Accepted(peer.clone()));
                            let relay = Relay::open(shared.clone(), socket, &self.host, self.number);
                            relays.push(Box::pin(async move {
                                let began = now();
                                let (traffic, end) = relay.run().await;
                                (peer, began, traffic, end)
                            }));
                        }
                        Err(error) => {
                            self.forwarded(ForwardEvent::NotAccepted(error.to_string()));
                            accept_from = now() + ACCEPT_PAUSE;
                        }
                    },
                    Some(relayed) = relays.next() => {
                        self.closed(relayed);
                        idle.as_mut().reset((now() + IDLE).into());
                    }
                    () = &mut idle, if relays.is_empty() => break LinkEnd::Idle,
                }
            }
        };
        // Whatever it carries is over.
        drop(link);
        let connections = relays.len();
        while let Some((peer, began, traffic, end)) = relays.next().await {
            let end = match (end, &ended) {
                (ConnectionEnd::SessionOver, LinkEnd::Stopped) => ConnectionEnd::Stopped,
                (end, _) => end,
            };
            self.closed((peer, began, traffic, end));
        }
        if connections > 0 && matches!(ended, LinkEnd::Lost(_)) {
            self.forwarded(ForwardEvent::CutOff { connections });
        }
        ended
    }

    fn closed(&mut self, (peer, began, traffic, end): (Peer, Instant, Relayed, ConnectionEnd)) {
        let lasted = now().saturating_duration_since(began);
        let Relayed { sent, received, not_reached, .. } = traffic;
        if end == ConnectionEnd::NotReached {
            self.forwarded(ForwardEvent::DestinationRefused);
            self.forwarded(ForwardEvent::NotReached { after: Some(lasted), why: not_reached });
        }
        self.forwarded(ForwardEvent::Closed(Closed { peer, lasted, sent, received, end }));
    }

    fn forwarded(&mut self, event: ForwardEvent) {
        (self.observer)(TunnelEvent::Forward(event));
    }
}

/// The node, as it sees itself.
const HERE: &str = "localhost";
/// How long a companion is kept that nobody uses. By itself it ends later.
const IDLE: Duration = Duration::from_secs(60);
/// Each takes a file of the companion's, which often has a thousand.
const MAX_CONNECTIONS: usize = 512;
/// Between the starts of two links.
const PAUSE: Duration = Duration::from_secs(1);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

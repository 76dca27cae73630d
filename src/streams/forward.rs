//! Local ports whose connections reach the session's destination.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::net::{TcpListener, TcpStream};

use crate::{
    channel::{Channel, Event, Ready},
    mux::Role,
    net::{Application, Notice, Relay, RelayConfig, Traffic, Turn},
    wire::{PayloadType, Version, control::Flag, handshake::SessionType},
};

/// The application of a port session: accepts connections on its listeners and relays them.
pub struct Forward<F> {
    /// Until the session stands.
    open: Option<OpenListeners>,
    listeners: Vec<TcpListener>,
    relay: Relay<TcpStream>,
    observer: F,
    stop: Stop,
    phase: Phase,
    /// After an accept that failed for want of resources, not before then.
    accept_again: Option<Instant>,
    next_listener: usize,
    failure: Option<String>,
}

/// Gives the listeners once the session stands: bound before it was started, or bound now to
/// the port that the handshake names.
pub type OpenListeners = Box<dyn FnOnce(&Ready) -> Result<Vec<TcpListener>, String> + Send>;

/// Resolves when the forward is to end.
pub type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a forward tells its observer.
#[derive(Debug)]
pub enum ForwardEvent {
    /// The session stands; connections are accepted from now on.
    Ready(Ready),
    /// A connection came in.
    Accepted(SocketAddr),
    /// The agent could not connect a stream to the destination.
    DestinationRefused,
    /// A stuck connection was reset so that the others can go on.
    Stalled {
        /// Bytes that had been received for it.
        discarded: usize,
    },
    /// A connection could not be taken.
    NotAccepted(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Starting,
    Open,
    Over,
}

impl<F: FnMut(ForwardEvent)> Forward<F> {
    /// Forwards what comes in on the listeners that `open` gives; tells `observer` what happens,
    /// and ends when `stop` resolves.
    pub fn new(open: OpenListeners, stop: Stop, observer: F) -> Self {
        Self {
            open: Some(open),
            listeners: Vec::new(),
            relay: Relay::new(RelayConfig::new(Role::Client)),
            observer,
            stop,
            phase: Phase::Starting,
            accept_again: None,
            next_listener: 0,
            failure: None,
        }
    }

    /// What has been moved so far.
    pub fn traffic(&self) -> Traffic {
        self.relay.traffic()
    }

    /// Why the forward could not begin, once it has ended.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    fn begin(&mut self, ready: Ready) -> Result<(), String> {
        Self::check(&ready)?;
        if let Some(open) = self.open.take() {
            self.listeners = open(&ready)?;
        }
        self.phase = Phase::Open;
        (self.observer)(ForwardEvent::Ready(ready));
        Ok(())
    }

    fn end(&mut self, channel: &mut Channel, now: Instant) {
        channel.send_flag(Flag::TerminateSession, now);
        self.phase = Phase::Over;
    }

    fn check(ready: &Ready) -> Result<(), String> {
        if ready.session_type != SessionType::Port {
            let name = ready.session_type.name();
            return Err(format!("the agent offers a {name} session, not port forwarding"));
        }
        if ready.property("type").as_deref() != Some("LocalPortForwarding") {
            return Err("the session is a single stream, not port forwarding".to_owned());
        }
        if ready.version() <= Some(LAST_WITHOUT_MUX) {
            let version = &ready.peer_version;
            return Err(format!(
                "the node's agent ({version}) carries one connection at a time, which is not \
                 supported; update it to a version after {LAST_WITHOUT_MUX}"
            ));
        }
        Ok(())
    }

    fn accept(&mut self, cx: &mut Context<'_>, now: Instant) {
        if self.accept_again.is_some() {
            return;
        }
        let mut idle = 0;
        while idle < self.listeners.len() && self.relay.stream_count() < MAX_CONNECTIONS {
            self.next_listener = (self.next_listener + 1) % self.listeners.len();
            match self.listeners[self.next_listener].poll_accept(cx) {
                Poll::Pending => idle += 1,
                Poll::Ready(Ok((socket, peer))) => {
                    idle = 0;
                    self.take(socket, peer);
                }
                Poll::Ready(Err(error)) => {
                    (self.observer)(ForwardEvent::NotAccepted(error.to_string()));
                    self.accept_again = Some(now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    fn take(&mut self, socket: TcpStream, peer: SocketAddr) {
        let opened = socket
            .set_nodelay(true)
            .and_then(|()| self.relay.open(socket).map_err(io::Error::other));
        (self.observer)(match opened {
            Ok(_) => ForwardEvent::Accepted(peer),
            Err(error) => ForwardEvent::NotAccepted(error.to_string()),
        });
    }
}

impl<F: FnMut(ForwardEvent)> Application for Forward<F> {
    fn can_receive(&self) -> bool {
        self.relay.can_receive()
    }

    fn is_drained(&self) -> bool {
        self.relay.is_drained()
    }

    fn handle_event(
        &mut self,
        event: Event,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<(), String> {
        match event {
            Event::Ready(ready) => {
                // The agent is told in either case, or the session would go on without us.
                if let Err(why) = self.begin(ready) {
                    self.failure = Some(why);
                    self.end(channel, now);
                }
            }
            Event::Data { payload_type: PayloadType::Output, payload } => {
                self.relay.receive(payload, now).map_err(|error| error.to_string())?;
            }
            Event::Flag(Flag::ConnectToPortError) => {
                (self.observer)(ForwardEvent::DestinationRefused);
            }
            _ => {}
        }
        Ok(())
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, String> {
        if self.phase == Phase::Over {
            self.relay.poll_receive(cx, now);
            self.accept_again = None;
            return Ok(Turn::Done);
        }
        if self.stop.as_mut().poll(cx).is_ready() {
            self.end(channel, now);
            return Ok(Turn::Done);
        }
        self.accept_again = self.accept_again.filter(|at| now < *at);
        if self.phase == Phase::Open && channel.can_send_control() {
            self.accept(cx, now);
        }
        let turn = self.relay.poll(cx, channel, now);
        while let Some(notice) = self.relay.poll_notice() {
            match notice {
                Notice::Stalled { discarded, .. } => {
                    (self.observer)(ForwardEvent::Stalled { discarded });
                }
                // An agent does not open streams; the multiplexer has refused this one.
                Notice::Opened(_) | Notice::Closed(_) => {}
            }
        }
        Ok(turn)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let relay = self.relay.poll_timeout();
        [relay, self.accept_again].into_iter().flatten().min()
    }
}

/// Agents up to this version carry one connection at a time, without a multiplexer.
const LAST_WITHOUT_MUX: Version = Version::new(3, 0, 196, 0);
/// Below the multiplexer's own bound, so that further connections wait in the listener's queue.
const MAX_CONNECTIONS: usize = 2048;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

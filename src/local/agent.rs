//! The agent's side of a port session: a TCP connection for each stream.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::{Stream, stream::FuturesUnordered};
use tokio::{net::TcpStream, time::timeout};

use super::{
    document::PortForward,
    session::{DataChannel, SessionState},
};
use crate::{
    channel::{Channel, Event},
    mux::{Role, StreamId},
    net::{Application, Notice, Pace, Relay, RelayConfig, Turn},
    wire::{MessageType, PayloadType, control::Flag},
};

/// Connects the streams of one session to its destination.
pub(super) struct PortAgent {
    session_id: String,
    target: String,
    host: String,
    port: u16,
    relay: Relay<TcpStream>,
    dials: FuturesUnordered<Dial>,
    terminated: Pin<Box<dyn Future<Output = ()> + Send>>,
    phase: Phase,
}

type Dial = Pin<Box<dyn Future<Output = (StreamId, io::Result<TcpStream>)> + Send>>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Open,
    /// The session is to end once everything is delivered, or at this time.
    Ending(Instant),
    Over,
}

impl PortAgent {
    pub(super) fn new(
        data_channel: &DataChannel,
        forward: &PortForward,
        pace: Option<Pace>,
    ) -> Self {
        let mut state = data_channel.state.clone();
        let mut config = RelayConfig::new(Role::Server);
        config.pace = pace;
        let terminated = async move {
            // An error means that the endpoint is gone: then the session is over, too.
            let _ = state.wait_for(|state| *state == SessionState::Terminated).await;
        };
        Self {
            session_id: data_channel.session_id.clone(),
            target: data_channel.target.clone(),
            host: forward.host.clone().unwrap_or_else(|| "localhost".to_owned()),
            port: forward.port,
            relay: Relay::new(config),
            dials: FuturesUnordered::new(),
            terminated: Box::pin(terminated),
            phase: Phase::Open,
        }
    }

    fn end(&mut self, now: Instant) {
        if self.phase == Phase::Open {
            self.phase = Phase::Ending(now + DRAIN_TIMEOUT);
        }
    }

    fn dial(&self, stream: StreamId) -> Dial {
        let (host, port) = (self.host.clone(), self.port);
        Box::pin(async move {
            let connect = timeout(DIAL_TIMEOUT, TcpStream::connect((host, port)));
            let connected = connect.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            let connected = connected.and_then(|socket| socket.set_nodelay(true).map(|()| socket));
            (stream, connected)
        })
    }

    /// Whether a dial has ended.
    fn poll_dials(&mut self, cx: &mut Context<'_>, channel: &mut Channel, now: Instant) -> bool {
        let mut ended = false;
        // Each refusal costs a flag: they wait until the client acknowledges those before.
        while channel.can_send_control()
            && let Poll::Ready(Some((stream, connected))) = Pin::new(&mut self.dials).poll_next(cx)
        {
            match connected {
                Ok(socket) => self.relay.connect(stream, socket),
                Err(error) => {
                    let (session, host, port) = (&self.session_id, &self.host, self.port);
                    tracing::warn!(session, "cannot connect to {host}:{port}: {error}");
                    channel.send_flag(Flag::ConnectToPortError, now);
                    self.relay.refuse(stream);
                }
            }
            ended = true;
        }
        ended
    }
}

impl Application for PortAgent {
    fn can_receive(&self) -> bool {
        self.relay.can_receive()
    }

    fn is_drained(&self) -> bool {
        self.relay.is_drained()
    }

    fn handle_event(
        &mut self,
        event: Event,
        _channel: &mut Channel,
        now: Instant,
    ) -> Result<(), String> {
        match event {
            Event::Data { payload_type: PayloadType::Output, payload } => {
                self.relay.receive(payload, now).map_err(|error| error.to_string())?;
            }
            Event::Flag(Flag::TerminateSession) => self.end(now),
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
            return Ok(Turn::Done);
        }
        if self.phase == Phase::Open && self.terminated.as_mut().poll(cx).is_ready() {
            self.end(now);
        }
        if let Phase::Ending(deadline) = self.phase {
            self.relay.poll_receive(cx, now);
            let drained = self.relay.is_drained() && channel.is_drained();
            if !drained && now < deadline {
                return Ok(Turn::Idle);
            }
            channel.announce(MessageType::ChannelClosed, &self.session_id, &self.target, now);
            self.phase = Phase::Over;
            return Ok(Turn::Done);
        }
        let turn = self.relay.poll(cx, channel, now);
        while let Some(notice) = self.relay.poll_notice() {
            match notice {
                Notice::Opened(stream) => self.dials.push(self.dial(stream)),
                Notice::Stalled { stream, discarded } => {
                    let session = &self.session_id;
                    tracing::warn!(
                        session,
                        "{stream} reset: its target does not read, {discarded} bytes lost"
                    );
                }
                Notice::Closed(_) => {}
            }
        }
        Ok(if self.poll_dials(cx, channel, now) { Turn::More } else { turn })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Open => self.relay.poll_timeout(),
            Phase::Ending(deadline) => Some(deadline),
            Phase::Over => None,
        }
    }
}

/// As long as the real agent waits for its last messages to be acknowledged.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

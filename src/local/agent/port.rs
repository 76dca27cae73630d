//! The agent's side of a multiplexed port session: a TCP connection for each stream.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::{Stream, stream::FuturesUnordered};
use tokio::{net::TcpStream, time::timeout};

use super::{Agents, Ending, earlier};
use crate::{
    channel::{Channel, Event},
    mux::{Role, StreamId},
    net::{
        self, Application, ApplicationError, Notice, Relay, RelayConfig, Turn, too_many_open_files,
    },
    wire::{PayloadType, control::Flag},
};

/// Connects the streams of one session to its destination.
pub(super) struct PortAgent {
    host: String,
    port: u16,
    relay: Relay<TcpStream>,
    dials: FuturesUnordered<Dial>,
    keepalive: Option<Keepalive>,
    /// It was said that descriptors are what is missing here.
    told_limit: bool,
    ending: Ending,
}

type Dial = Pin<Box<dyn Future<Output = (StreamId, io::Result<TcpStream>)> + Send>>;

impl PortAgent {
    /// With `keepalive`, the multiplexer keeps itself alive, and gives up a client that does not.
    pub(super) fn new(
        host: String,
        port: u16,
        keepalive: bool,
        agents: &Agents,
        ending: Ending,
        now: Instant,
    ) -> Self {
        let mut config = RelayConfig::new(Role::Server);
        config.pace = agents.pace;
        config.fin_closes_stream = agents.quirks.fin_closes_stream;
        Self {
            host,
            port,
            relay: Relay::new(config),
            dials: FuturesUnordered::new(),
            keepalive: keepalive.then(|| Keepalive::new(now)),
            told_limit: false,
            ending,
        }
    }

    fn dial(&self, stream: StreamId) -> Dial {
        let (host, port) = (self.host.clone(), self.port);
        Box::pin(async move { (stream, connect(host, port).await) })
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
                    let (session, host) = (self.ending.session_id(), &self.host);
                    let what = format!("cannot connect to {host}:{}: {error}", self.port);
                    match too_many_open_files(&what) {
                        // It is not the destination that its client should look at.
                        Some(remedy) if !std::mem::replace(&mut self.told_limit, true) => {
                            tracing::error!(session, "{what}; {remedy}");
                        }
                        _ => tracing::warn!(session, "{what}"),
                    }
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
    ) -> Result<(), ApplicationError> {
        match event {
            Event::Data { payload_type: PayloadType::Output, payload } => {
                if let Some(keepalive) = &mut self.keepalive {
                    keepalive.heard = true;
                }
                self.relay.receive(payload, now).map_err(|error| error.to_string())?;
            }
            Event::Flag(Flag::TerminateSession) => self.ending.begin(now),
            _ => {}
        }
        Ok(())
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, ApplicationError> {
        if self.ending.poll_begun(cx, now) {
            self.relay.poll_receive(cx, now);
            return Ok(self.ending.close(channel, self.relay.is_drained(), now));
        }
        if let Some(keepalive) = &mut self.keepalive {
            if keepalive.is_due(now) {
                self.relay.send_keepalive();
            }
            if keepalive.is_given_up(now) {
                self.ending.begin_because(SILENT_CLIENT.to_owned(), now);
                return Ok(Turn::More);
            }
        }
        let turn = self.relay.poll(cx, channel, now);
        while let Some(notice) = self.relay.poll_notice() {
            match notice {
                Notice::Opened(stream) => self.dials.push(self.dial(stream)),
                Notice::Stalled { stream, discarded } => {
                    let session = self.ending.session_id();
                    tracing::warn!(
                        session,
                        "{stream} reset: its target does not read, {discarded} bytes lost"
                    );
                }
                Notice::Finished(_)
                | Notice::Closed { .. }
                | Notice::Slow(_)
                | Notice::Flowing { .. }
                | Notice::Unanswered(_) => {}
            }
        }
        Ok(if self.poll_dials(cx, channel, now) { Turn::More } else { turn })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let keepalive = self.keepalive.as_ref().map(Keepalive::next);
        self.ending.poll_timeout(earlier(self.relay.poll_timeout(), keepalive))
    }
}

/// One connection to `host`, to whichever of its addresses takes it, with the time that it may take.
pub(super) async fn connect(host: String, port: u16) -> io::Result<TcpStream> {
    let connected = timeout(DIAL_TIMEOUT, net::connect(&host, port)).await;
    connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The multiplexer's own sign of life, for clients up to 1.2.331.0: newer ones and their agents
/// have switched it off.
struct Keepalive {
    next_nop: Instant,
    next_look: Instant,
    /// Something has come since the last look.
    heard: bool,
}

impl Keepalive {
    fn new(now: Instant) -> Self {
        Self { next_nop: now + NOP_INTERVAL, next_look: now + SILENCE_LIMIT, heard: false }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let due = now >= self.next_nop;
        if due {
            self.next_nop = now + NOP_INTERVAL;
        }
        due
    }

    /// Looks every 30 s whether anything came in between, as xtaci/smux does.
    fn is_given_up(&mut self, now: Instant) -> bool {
        if now < self.next_look {
            return false;
        }
        self.next_look = now + SILENCE_LIMIT;
        !std::mem::take(&mut self.heard)
    }

    fn next(&self) -> Instant {
        self.next_nop.min(self.next_look)
    }
}

const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// The defaults of xtaci/smux.
const NOP_INTERVAL: Duration = Duration::from_secs(10);
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
const SILENT_CLIENT: &str = "the client's multiplexer has been silent for 30 s";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keepalive_is_due_every_10_s_and_a_silent_client_given_up_after_30() {
        let start = Instant::now();
        let after = |secs| start + Duration::from_secs(secs);
        let mut keepalive = Keepalive::new(start);
        assert!(!keepalive.is_due(after(9)));
        assert!(keepalive.is_due(after(10)));
        assert!(!keepalive.is_due(after(19)));
        assert_eq!(keepalive.next(), after(20));
        keepalive.heard = true;
        assert!(!keepalive.is_given_up(after(30)), "it was heard");
        assert!(!keepalive.is_given_up(after(59)));
        assert!(keepalive.is_given_up(after(60)), "it was not heard since");
    }
}

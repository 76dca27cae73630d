//! The agent's side of a session that is one TCP connection, byte for byte: to an SSH server, or
//! to a forwarded port when one of the two sides is too old to multiplex.
//!
//! ```text
//!               Dialing --> Open --> (its end) --> the session's end       SSH
//!                  ^          |
//!                  +-- Idle <-+  DisconnectToPort, or its end              port
//!                data
//! ```

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{io::AsyncWrite, net::TcpStream};
use tokio_util::io::poll_read_buf;

use super::{Agents, BATCH, Ending, can_send, port::connect};
use crate::{
    channel::{Channel, Event},
    net::{Application, ApplicationError, Pace, Turn},
    wire::{PacketPool, PayloadType, control::Flag},
};

/// Connects one session to one TCP connection at a time.
pub(super) struct StreamAgent {
    host: String,
    port: u16,
    link: Link,
    /// Whether the end of a connection is not the session's.
    reconnects: bool,
    /// With the quirk: until when data reaches nobody.
    deaf: Option<Deafness>,
    is_deafened: bool,
    /// What has come and waits to be written: one message, and what the channel had waiting
    /// behind it.
    input: VecDeque<Input>,
    pool: PacketPool,
    pace: Option<Pace>,
    next_payload: Option<Instant>,
    ending: Ending,
}

enum Link {
    /// Until the handshake is done.
    Waiting,
    Dialing(Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>),
    Open(TcpStream),
    /// Between two connections: the next data makes the next one.
    Idle,
}

enum Input {
    Bytes(Bytes),
    Disconnect,
}

/// How the real agent fares when data comes before it has noticed that its connection is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Deafness {
    /// It has not noticed yet.
    Until(Instant),
    /// It waits for something that has passed, until it is disconnected the next time.
    Stuck,
}

impl StreamAgent {
    /// A stream to an SSH server: its end is the session's.
    pub(super) fn ssh(host: String, port: u16, agents: &Agents, ending: Ending) -> Self {
        Self::new(host, port, false, agents, ending)
    }

    /// A port, one connection after the other. The handshake is done.
    pub(super) fn basic(host: String, port: u16, agents: &Agents, ending: Ending) -> Self {
        let mut agent = Self::new(host, port, true, agents, ending);
        agent.dial();
        agent
    }

    fn new(host: String, port: u16, reconnects: bool, agents: &Agents, ending: Ending) -> Self {
        Self {
            host,
            port,
            link: Link::Waiting,
            reconnects,
            deaf: None,
            is_deafened: agents.quirks.deaf_reconnect,
            input: VecDeque::new(),
            pool: PacketPool::new(POOL_CHUNK),
            pace: agents.pace,
            next_payload: None,
            ending,
        }
    }

    fn dial(&mut self) {
        self.link = Link::Dialing(Box::pin(connect(self.host.clone(), self.port)));
    }

    fn poll_dial(&mut self, cx: &mut Context<'_>, now: Instant) {
        let Link::Dialing(dial) = &mut self.link else { return };
        match dial.as_mut().poll(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(socket)) => self.link = Link::Open(socket),
            Poll::Ready(Err(error)) => {
                let (host, port) = (&self.host, self.port);
                let reason = format!("Unable to connect to specified port: {host}:{port}: {error}");
                self.ending.begin_because(reason, now);
                self.link = Link::Idle;
                self.input.clear();
            }
        }
    }

    fn write_input(&mut self, cx: &mut Context<'_>, now: Instant) {
        while let Some(next) = self.input.front_mut() {
            match (next, &mut self.link) {
                (_, Link::Waiting | Link::Dialing(_)) => return,
                (Input::Disconnect, _) => {
                    self.link = Link::Idle;
                    self.deaf = self.is_deafened.then(|| Deafness::Until(now + NOTICING));
                }
                (Input::Bytes(bytes), Link::Open(socket)) => {
                    match Pin::new(socket).poll_write(cx, bytes) {
                        Poll::Pending => return,
                        Poll::Ready(Ok(written)) if written > 0 && written < bytes.len() => {
                            bytes.advance(written);
                            continue;
                        }
                        // On an error there is nobody to take it; reading tells why.
                        Poll::Ready(_) => {}
                    }
                }
                (Input::Bytes(_), Link::Idle) => {
                    if self.reconnects && !self.is_deaf(now) {
                        self.dial();
                        self.poll_dial(cx, now);
                        continue;
                    }
                }
            }
            self.input.pop_front();
        }
    }

    fn is_deaf(&mut self, now: Instant) -> bool {
        self.deaf = match self.deaf {
            Some(Deafness::Until(until)) if until <= now => None,
            Some(_) => Some(Deafness::Stuck),
            None => None,
        };
        self.deaf.is_some()
    }

    fn read_output(&mut self, cx: &mut Context<'_>, channel: &mut Channel, now: Instant) -> Turn {
        if self.next_payload.is_some_and(|at| at <= now) {
            self.next_payload = None;
        }
        let pace = self.pace;
        for _ in 0..BATCH {
            let Link::Open(socket) = &mut self.link else { return Turn::Idle };
            if !can_send(channel, !self.input.is_empty()) || self.next_payload.is_some() {
                return Turn::Idle;
            }
            let len = pace.map_or(channel.payload_len(), |pace| pace.payload_len);
            let mut slot = self.pool.slot(len);
            let socket = Pin::new(socket);
            match poll_read_buf::<_, bytes::buf::Limit<&mut BytesMut>>(
                socket,
                cx,
                &mut slot.space(),
            ) {
                Poll::Pending => return Turn::Idle,
                Poll::Ready(Ok(len)) if len > 0 => {
                    channel.send(PayloadType::Output, slot.finish(), now);
                    self.next_payload = self.pace.map(|pace| now + pace.pause);
                }
                Poll::Ready(_) => {
                    // A client of a forwarded port is not told: the real agent has no way to.
                    self.link = Link::Idle;
                    if !self.reconnects {
                        self.ending.begin(now);
                    }
                }
            }
        }
        Turn::More
    }
}

impl Application for StreamAgent {
    fn can_receive(&self) -> bool {
        self.input.is_empty()
    }

    fn is_drained(&self) -> bool {
        self.input.is_empty()
    }

    fn handle_event(
        &mut self,
        event: Event,
        _channel: &mut Channel,
        now: Instant,
    ) -> Result<(), ApplicationError> {
        match event {
            Event::Ready(_) => self.dial(),
            Event::Data { payload_type: PayloadType::Output, payload } if !payload.is_empty() => {
                self.input.push_back(Input::Bytes(payload));
            }
            Event::Flag(Flag::DisconnectToPort) => self.input.push_back(Input::Disconnect),
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
        self.poll_dial(cx, now);
        self.write_input(cx, now);
        if self.ending.poll_begun(cx, now) {
            return Ok(self.ending.close(channel, self.input.is_empty(), now));
        }
        Ok(self.read_output(cx, channel, now))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.ending.poll_timeout(self.next_payload)
    }
}

/// The real agent may be in the pause behind a payload, or busy with another.
const NOTICING: Duration = Duration::from_millis(5);
const POOL_CHUNK: usize = 256 * 1024;

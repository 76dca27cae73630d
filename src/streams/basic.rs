//! A local port whose connections reach the session's destination one after the other: all that
//! agents without a multiplexer can do.

use std::{
    borrow::BorrowMut,
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut, buf::Limit};
use tokio_util::io::poll_read_buf;

use super::{ForwardEvent, Listeners, Peer, Stop, outbox::Outbox};
use crate::{
    channel::{Channel, Event},
    net::{Application, Socket, Turn},
    wire::{PacketPool, PayloadType, control::Flag},
};

/// The application of a port session without a multiplexer.
///
/// The session's bytes are those of one connection. When that ends here, the agent is told to let
/// go of its side and dials anew. Its own end the agent does not tell.
pub struct Basic<L, F: FnMut(ForwardEvent)> {
    listeners: L,
    state: State,
    /// What came for the first connection before it was accepted: the greeting of a server that
    /// the agent has dialled ahead of us.
    early: VecDeque<Bytes>,
    /// No connection was there yet. After the first one what comes in between belongs to the one
    /// before: the agent dials anew when it has something to write.
    is_first: bool,
    pool: PacketPool,
    stop: Stop,
    observer: F,
    is_over: bool,
}

enum State {
    /// A connection is welcome, but not before this time.
    Idle(Option<Instant>),
    Connected(Connection),
    /// The agent is being told; what comes meanwhile belongs to the connection before.
    Disconnecting,
}

struct Connection {
    socket: Outbox<Box<dyn Socket>>,
    /// Whether the local side may still send.
    is_open: bool,
    /// The local side has finished: when it has waited long enough for the rest of the reply.
    quiet_until: Option<Instant>,
}

impl<L: BorrowMut<Listeners>, F: FnMut(ForwardEvent)> Basic<L, F> {
    /// Forwards what comes in on `listeners`, one connection at a time, until `stop` resolves.
    pub fn new(listeners: L, stop: Stop, observer: F) -> Self {
        Self {
            listeners,
            state: State::Idle(None),
            is_first: true,
            early: VecDeque::new(),
            pool: PacketPool::new(CHUNK_LEN),
            stop,
            observer,
            is_over: false,
        }
    }

    fn accept(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        match self.listeners.borrow_mut().poll_accept(cx) {
            Poll::Pending => false,
            Poll::Ready(Ok((socket, peer))) => {
                self.connect(socket, peer);
                true
            }
            Poll::Ready(Err(error)) => {
                (self.observer)(ForwardEvent::NotAccepted(error.to_string()));
                self.state = State::Idle(Some(now + ACCEPT_PAUSE));
                false
            }
        }
    }

    fn connect(&mut self, socket: Box<dyn Socket>, peer: Peer) {
        self.is_first = false;
        let mut socket = Outbox::new(socket);
        for payload in self.early.drain(..) {
            socket.push(&payload);
        }
        self.state = State::Connected(Connection { socket, is_open: true, quiet_until: None });
        (self.observer)(ForwardEvent::Accepted(peer));
    }

    /// Whether the connection goes on.
    fn relay(
        connection: &mut Connection,
        pool: &mut PacketPool,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> bool {
        if connection.socket.poll(cx).is_err() {
            return false;
        }
        while connection.is_open && channel.can_send() {
            let payload_len = channel.payload_len().min(PAYLOAD_LEN);
            let mut slot = pool.slot(payload_len);
            let socket = Pin::new(connection.socket.writer());
            match poll_read_buf::<_, Limit<&mut BytesMut>>(socket, cx, &mut slot.space()) {
                Poll::Pending => {
                    channel.seal();
                    break;
                }
                Poll::Ready(Ok(len)) if len == payload_len => {
                    channel.send_part(PayloadType::Output, slot.finish(), now);
                }
                Poll::Ready(Ok(len)) if len > 0 => {
                    channel.send(PayloadType::Output, slot.finish(), now);
                }
                Poll::Ready(Ok(_)) => {
                    channel.seal();
                    connection.is_open = false;
                    connection.quiet_until = Some(now + LINGER);
                }
                Poll::Ready(Err(_)) => return false,
            }
        }
        // The silence counts from when both sides have had everything.
        if connection.quiet_until.is_some()
            && !(channel.is_drained() && connection.socket.is_drained())
        {
            connection.quiet_until = Some(now + LINGER);
        }
        connection.quiet_until.is_none_or(|until| now < until)
    }

    fn disconnect(&mut self, channel: &mut Channel, now: Instant) {
        channel.send_flag(Flag::DisconnectToPort, now);
        self.state = State::Disconnecting;
    }
}

impl<L: BorrowMut<Listeners>, F: FnMut(ForwardEvent)> Application for Basic<L, F> {
    fn can_receive(&self) -> bool {
        match &self.state {
            State::Connected(connection) => connection.socket.has_room(),
            State::Idle(_) if self.is_first => {
                self.early.iter().map(|one| one.len() + OVERHEAD).sum::<usize>() < EARLY
            }
            State::Idle(_) | State::Disconnecting => true,
        }
    }

    fn is_drained(&self) -> bool {
        match &self.state {
            State::Connected(connection) => connection.socket.is_drained(),
            State::Idle(_) | State::Disconnecting => true,
        }
    }

    fn handle_event(
        &mut self,
        event: Event,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<(), String> {
        match event {
            Event::Data { payload_type: PayloadType::Output, payload } => match &mut self.state {
                State::Connected(connection) => {
                    connection.socket.push(&payload);
                    connection.quiet_until = connection.quiet_until.map(|_| now + LINGER);
                }
                State::Idle(_) if self.is_first => {
                    self.early.push_back(Bytes::copy_from_slice(&payload))
                }
                State::Idle(_) | State::Disconnecting => {}
            },
            Event::Flag(Flag::ConnectToPortError) => {
                (self.observer)(ForwardEvent::DestinationRefused);
                if matches!(self.state, State::Connected(_)) {
                    self.disconnect(channel, now);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn handle_reconnected(&mut self, now: Instant) {
        if let State::Connected(connection) = &mut self.state {
            connection.quiet_until = connection.quiet_until.map(|_| now + LINGER);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, String> {
        if !self.is_over && self.stop.as_mut().poll(cx).is_ready() {
            channel.send_flag(Flag::TerminateSession, now);
            self.is_over = true;
        }
        if self.is_over {
            if let State::Connected(connection) = &mut self.state {
                let _ = connection.socket.poll(cx);
            }
            return Ok(Turn::Done);
        }
        channel.guard(&[]);
        match &mut self.state {
            State::Idle(not_before) => {
                *not_before = not_before.filter(|at| now < *at);
                if not_before.is_none() && channel.can_send_control() && self.accept(cx, now) {
                    return Ok(Turn::More);
                }
            }
            State::Connected(connection) => {
                if !Self::relay(connection, &mut self.pool, cx, channel, now) {
                    self.disconnect(channel, now);
                    return Ok(Turn::More);
                }
            }
            State::Disconnecting => {
                if channel.is_drained() {
                    self.state = State::Idle(Some(now + RECONNECT_PAUSE));
                }
            }
        }
        Ok(Turn::Idle)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Idle(not_before) => *not_before,
            State::Connected(connection) => connection.quiet_until,
            State::Disconnecting => None,
        }
    }
}

impl<L, F: FnMut(ForwardEvent)> Drop for Basic<L, F> {
    /// A connection that the session's end cuts off must not look as if it had come to its own.
    fn drop(&mut self) {
        if let State::Connected(connection) = &mut self.state {
            connection.socket.writer().reset_on_close();
            if !self.is_over {
                (self.observer)(ForwardEvent::CutOff { connections: 1 });
            }
        }
    }
}

/// Data that comes too soon behind the flag races with the real agent's new connection, and can
/// hang. As long as its first retransmission timeout, which was never too short.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);
/// Behind an accept that failed for want of resources.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a connection stays after the local end of file while no more of the reply comes.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes kept for a connection that is yet to come.
const EARLY: usize = 1 << 20;
/// What a small payload costs on top.
const OVERHEAD: usize = 64;
/// Old agents have been seen with the reference client's payloads of 1 KiB; no more is known.
const PAYLOAD_LEN: usize = 8 * 1024;
const CHUNK_LEN: usize = 64 * 1024;

#[cfg(test)]
mod tests;

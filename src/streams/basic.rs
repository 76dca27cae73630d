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

use super::{Closed, ConnectionEnd, ForwardEvent, Listeners, Peer, Stop, outbox::Outbox};
use crate::{
    channel::{Channel, Event},
    mux::FIRST_ANSWER,
    net::{ANSWER_PATIENCE, Application, ApplicationError, Parting, Socket, Turn, now},
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
    answer_patience: Duration,
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
    peer: Peer,
    opened: Instant,
    sent: u64,
    received: u64,
    /// What the local side has done that has finished; none while it may still send.
    parting: Option<Parting>,
    /// It has finished: when it has waited long enough for the rest of the reply.
    quiet_until: Option<Instant>,
    /// Something of that has come.
    has_begun: bool,
    /// It waits, as far as is known: when to look again whether it is still there.
    look_at: Option<Instant>,
}

/// What becomes of a connection.
enum Fate {
    GoesOn,
    /// It has come to its end.
    Over,
    /// Its program waits for an answer of which nothing has come in time.
    Unanswered,
}

impl Connection {
    fn new(socket: Box<dyn Socket>, peer: Peer, opened: Instant) -> Self {
        Self {
            socket: Outbox::new(socket),
            peer,
            opened,
            sent: 0,
            received: 0,
            parting: None,
            quiet_until: None,
            has_begun: false,
            look_at: None,
        }
    }

    fn push(&mut self, payload: &[u8]) {
        self.received += payload.len() as u64;
        self.socket.push(payload);
    }

    /// What is told when it is over.
    fn closed(&self, end: ConnectionEnd, now: Instant) -> ForwardEvent {
        let Self { peer, opened, sent, received, .. } = self;
        let (lasted, peer) = (now.saturating_duration_since(*opened), peer.clone());
        ForwardEvent::Closed(Closed { peer, lasted, sent: *sent, received: *received, end })
    }

    /// How long the silence may be. Of an answer's end this agent says nothing: silence is all that
    /// there is to tell it by.
    fn patience(&self, first: Duration) -> Duration {
        match self.parting {
            Some(Parting::HalfClosed) if self.has_begun => PAUSE_IN_ANSWER,
            Some(Parting::HalfClosed) => first,
            _ => LINGER,
        }
    }

    /// The silence counts from now.
    fn begin_silence(&mut self, first: Duration, now: Instant) {
        let until = now.checked_add(self.patience(first));
        self.quiet_until = self.quiet_until.and(until);
    }

    /// Looks whether the program that waits is still there.
    fn look(&mut self, now: Instant) {
        if self.look_at.is_some_and(|at| at <= now) {
            self.parting = Some(self.socket.writer().parting());
            self.look_at = Some(now + LOOK_INTERVAL);
        }
    }

    fn fate(&self, now: Instant) -> Fate {
        match (self.parting, self.quiet_until) {
            (Some(Parting::Closed), _) => Fate::Over,
            (Some(Parting::HalfClosed), Some(until)) if now >= until && !self.has_begun => {
                Fate::Unanswered
            }
            (_, Some(until)) if now >= until => Fate::Over,
            _ => Fate::GoesOn,
        }
    }
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
            answer_patience: ANSWER_PATIENCE,
        }
    }

    /// Keeps a program that has finished its request waiting for four times as long for the first of
    /// the answer.
    pub fn with_answer_patience(mut self, patience: Duration) -> Self {
        self.answer_patience = patience;
        self
    }

    fn accept(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        match self.listeners.borrow_mut().poll_accept(cx) {
            Poll::Pending => false,
            Poll::Ready(Ok((socket, peer))) => {
                self.connect(socket, peer, now);
                true
            }
            Poll::Ready(Err(error)) => {
                (self.observer)(ForwardEvent::NotAccepted(error.to_string()));
                self.state = State::Idle(Some(now + ACCEPT_PAUSE));
                false
            }
        }
    }

    fn connect(&mut self, socket: Box<dyn Socket>, peer: Peer, now: Instant) {
        self.is_first = false;
        let mut connection = Connection::new(socket, peer.clone(), now);
        for payload in self.early.drain(..) {
            connection.push(&payload);
        }
        self.state = State::Connected(connection);
        (self.observer)(ForwardEvent::Accepted(peer));
    }

    fn relay(
        connection: &mut Connection,
        pool: &mut PacketPool,
        first: Duration,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Fate {
        if connection.socket.poll(cx).is_err() {
            return Fate::Over;
        }
        while connection.parting.is_none() && channel.can_send() {
            let payload_len = channel.payload_len().min(PAYLOAD_LEN);
            let mut slot = pool.slot(payload_len);
            let socket = Pin::new(connection.socket.writer());
            match poll_read_buf::<_, Limit<&mut BytesMut>>(socket, cx, &mut slot.space()) {
                Poll::Pending => {
                    channel.seal();
                    break;
                }
                Poll::Ready(Ok(len)) if len == payload_len => {
                    connection.sent += len as u64;
                    channel.send_part(PayloadType::Output, slot.finish(), now);
                }
                Poll::Ready(Ok(len)) if len > 0 => {
                    connection.sent += len as u64;
                    channel.send(PayloadType::Output, slot.finish(), now);
                }
                Poll::Ready(Ok(_)) => {
                    channel.seal();
                    connection.parting = Some(connection.socket.writer().parting());
                    connection.look_at = Some(now + FIRST_LOOK)
                        .filter(|_| connection.parting == Some(Parting::HalfClosed));
                    connection.quiet_until = now.checked_add(connection.patience(first));
                }
                Poll::Ready(Err(_)) => return Fate::Over,
            }
        }
        // The silence counts from when both sides have had everything.
        if !(channel.is_drained() && connection.socket.is_drained()) {
            connection.begin_silence(first, now);
        }
        connection.look(now);
        connection.fate(now)
    }

    fn first_patience(&self) -> Duration {
        self.answer_patience.saturating_mul(FIRST_ANSWER)
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
    ) -> Result<(), ApplicationError> {
        let first = self.first_patience();
        match event {
            Event::Data { payload_type: PayloadType::Output, payload } => match &mut self.state {
                State::Connected(connection) => {
                    connection.push(&payload);
                    connection.has_begun = connection.parting.is_some();
                    connection.begin_silence(first, now);
                }
                State::Idle(_) if self.is_first => {
                    self.early.push_back(Bytes::copy_from_slice(&payload));
                }
                State::Idle(_) | State::Disconnecting => {}
            },
            Event::Flag(Flag::ConnectToPortError) => {
                (self.observer)(ForwardEvent::DestinationRefused);
                (self.observer)(ForwardEvent::NotReached { after: None, why: None });
                if let State::Connected(connection) = &self.state {
                    (self.observer)(connection.closed(ConnectionEnd::NotReached, now));
                    self.disconnect(channel, now);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn handle_reconnected(&mut self, now: Instant) {
        let first = self.first_patience();
        if let State::Connected(connection) = &mut self.state {
            connection.begin_silence(first, now);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, ApplicationError> {
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
        let first = self.first_patience();
        match &mut self.state {
            State::Idle(not_before) => {
                *not_before = not_before.filter(|at| now < *at);
                if not_before.is_none() && channel.can_send_control() && self.accept(cx, now) {
                    return Ok(Turn::More);
                }
            }
            State::Connected(connection) => {
                let end = match Self::relay(connection, &mut self.pool, first, cx, channel, now) {
                    Fate::GoesOn => return Ok(Turn::Idle),
                    Fate::Over if connection.parting.is_some() => ConnectionEnd::Program,
                    Fate::Over => ConnectionEnd::Broken,
                    Fate::Unanswered => {
                        connection.socket.writer().reset_on_close();
                        (self.observer)(ForwardEvent::Unanswered(connection.peer.clone()));
                        ConnectionEnd::Unanswered
                    }
                };
                (self.observer)(connection.closed(end, now));
                self.disconnect(channel, now);
                return Ok(Turn::More);
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
            State::Connected(connection) => {
                [connection.quiet_until, connection.look_at].into_iter().flatten().min()
            }
            State::Disconnecting => None,
        }
    }
}

impl<L, F: FnMut(ForwardEvent)> Drop for Basic<L, F> {
    /// A connection that the session's end cuts off must not look as if it had come to its own.
    fn drop(&mut self) {
        if let State::Connected(connection) = &mut self.state {
            connection.socket.writer().reset_on_close();
            let stopped = self.is_over;
            let end = if stopped { ConnectionEnd::Stopped } else { ConnectionEnd::SessionOver };
            (self.observer)(connection.closed(end, now()));
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
/// How long a connection stays after the local end of file while no more of the reply comes, if its
/// program may have gone.
const LINGER: Duration = Duration::from_secs(1);
/// The same if the program is there to be answered, and that has begun.
const PAUSE_IN_ANSWER: Duration = Duration::from_secs(10);
/// A socket that is being closed has its owner for a moment longer.
const FIRST_LOOK: Duration = Duration::from_millis(10);
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes kept for a connection that is yet to come.
const EARLY: usize = 1 << 20;
/// What a small payload costs on top.
const OVERHEAD: usize = 64;
/// Old agents have been seen with the reference client's payloads of 1 KiB; no more is known.
const PAYLOAD_LEN: usize = 8 * 1024;
const CHUNK_LEN: usize = 64 * 1024;

#[cfg(test)]
mod tests;

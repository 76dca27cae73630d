//! Local ports whose connections reach the session's destination, many at a time.

use std::{
    borrow::BorrowMut,
    collections::{HashMap, VecDeque},
    io,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::{Closed, ConnectionEnd, ForwardEvent, Listeners, Peer, Stop};
use crate::{
    channel::{Channel, Event, Ready},
    mux::{Role, StreamId},
    net::{Application, ApplicationError, Notice, Relay, RelayConfig, Socket, Traffic, Turn, now},
    wire::{PayloadType, Version, control::Flag},
};

/// The application of a port session with a multiplexer: accepts connections on its listeners and
/// relays them. The listeners are its own, or lent to it for the time of a session.
pub struct Forward<L, F: FnMut(ForwardEvent)> {
    listeners: L,
    relay: Relay<Box<dyn Socket>>,
    /// The open streams.
    open: HashMap<StreamId, Open>,
    /// When the agent said that it could not connect a stream; it closes that one next.
    not_reached: VecDeque<Instant>,
    observer: F,
    stop: Stop,
    is_over: bool,
    /// After an accept that failed for want of resources, not before then.
    accept_again: Option<Instant>,
    max_connections: usize,
    /// That there are as many has been told, and not been over for good.
    is_full: bool,
}

/// A connection that is open.
struct Open {
    peer: Peer,
    since: Instant,
    is_not_reached: bool,
}

impl<L: BorrowMut<Listeners>, F: FnMut(ForwardEvent)> Forward<L, F> {
    /// Forwards what comes in on `listeners`; tells `observer` what happens, and ends when `stop`
    /// resolves.
    pub fn new(listeners: L, peer: &Ready, stop: Stop, observer: F) -> Self {
        let mut config = RelayConfig::new(Role::Client);
        config.keepalive = (peer.version() <= Some(LAST_WITH_KEEPALIVE)).then_some(KEEPALIVE);
        Self {
            listeners,
            relay: Relay::new(config),
            open: HashMap::new(),
            not_reached: VecDeque::new(),
            observer,
            stop,
            is_over: false,
            accept_again: None,
            max_connections: MAX_CONNECTIONS,
            is_full: false,
        }
    }

    /// Keeps a program that has finished its request waiting for so long while nothing of the answer
    /// comes; four times that for the first of it.
    pub fn with_answer_patience(mut self, patience: Duration) -> Self {
        self.relay.set_answer_patience(patience);
        self
    }

    fn accept(&mut self, cx: &mut Context<'_>, now: Instant) {
        if self.accept_again.is_some() {
            return;
        }
        while self.has_room() {
            match self.listeners.borrow_mut().poll_accept(cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(accepted)) => {
                    // Else another session has it.
                    if let Some((socket, peer)) = self.listeners.borrow().placed(accepted) {
                        self.take(socket, peer, now);
                    }
                }
                Poll::Ready(Err(error)) => {
                    (self.observer)(ForwardEvent::NotAccepted(error.to_string()));
                    self.accept_again = Some(now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
        if !std::mem::replace(&mut self.is_full, true) {
            (self.observer)(ForwardEvent::Full { connections: self.relay.stream_count() });
        }
    }

    fn has_room(&self) -> bool {
        self.relay.stream_count() < self.max_connections
    }

    fn take(&mut self, socket: Box<dyn Socket>, peer: Peer, now: Instant) {
        let opened = self.relay.open(socket).map_err(io::Error::other);
        (self.observer)(match opened {
            Ok(id) => {
                let open = Open { peer: peer.clone(), since: now, is_not_reached: false };
                self.open.insert(id, open);
                ForwardEvent::Accepted(peer)
            }
            Err(error) => ForwardEvent::NotAccepted(error.to_string()),
        });
    }
}

impl<L, F: FnMut(ForwardEvent)> Forward<L, F> {
    /// The agent has closed a stream. One that it could not connect, if it has just said so of one and
    /// nothing has come on this.
    fn finished(&mut self, stream: StreamId, received: u64, now: Instant) {
        let Some(open) = self.open.get_mut(&stream) else { return };
        if received == 0 && !open.is_not_reached && self.not_reached.pop_front().is_some() {
            open.is_not_reached = true;
            let after = Some(now.saturating_duration_since(open.since));
            (self.observer)(ForwardEvent::NotReached { after, why: None });
        }
    }

    fn closed(&mut self, stream: StreamId, traffic: Traffic, end: ConnectionEnd, now: Instant) {
        let Some(Open { peer, since, is_not_reached }) = self.open.remove(&stream) else { return };
        let Traffic { sent, received } = traffic;
        let lasted = now.saturating_duration_since(since);
        let end = if is_not_reached { ConnectionEnd::NotReached } else { end };
        (self.observer)(ForwardEvent::Closed(Closed { peer, lasted, sent, received, end }));
    }
}

impl<L: BorrowMut<Listeners>, F: FnMut(ForwardEvent)> Application for Forward<L, F> {
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
                self.relay.receive(payload, now).map_err(|error| error.to_string())?;
            }
            Event::Flag(Flag::ConnectToPortError) => {
                (self.observer)(ForwardEvent::DestinationRefused);
                // An agent that says so more often than there are streams is not believed.
                if self.not_reached.len() < self.max_connections {
                    self.not_reached.push_back(now);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn handle_reconnected(&mut self, now: Instant) {
        self.relay.handle_reconnected(now);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, ApplicationError> {
        if self.is_over {
            self.relay.poll_receive(cx, now);
            self.accept_again = None;
            return Ok(Turn::Done);
        }
        if self.stop.as_mut().poll(cx).is_ready() {
            channel.send_flag(Flag::TerminateSession, now);
            self.is_over = true;
            return Ok(Turn::Done);
        }
        self.accept_again = self.accept_again.filter(|at| now < *at);
        if channel.can_send_control() {
            self.accept(cx, now);
        }
        let had_room = self.has_room();
        let turn = self.relay.poll(cx, channel, now);
        while let Some(notice) = self.relay.poll_notice() {
            match notice {
                Notice::Stalled { discarded, .. } => {
                    (self.observer)(ForwardEvent::Stalled { discarded });
                }
                Notice::Slow(id) => {
                    if let Some(Open { peer, .. }) = self.open.get(&id) {
                        (self.observer)(ForwardEvent::Slow(peer.clone()));
                    }
                }
                Notice::Unanswered(id) => {
                    if let Some(Open { peer, .. }) = self.open.get(&id) {
                        (self.observer)(ForwardEvent::Unanswered(peer.clone()));
                    }
                }
                Notice::Flowing { after } => (self.observer)(ForwardEvent::Flowing { after }),
                Notice::Finished(id) => {
                    let received = self.relay.traffic_of(id).received;
                    self.finished(id, received, now);
                }
                Notice::Closed { stream, traffic, end } => {
                    self.finished(stream, traffic.received, now);
                    self.closed(stream, traffic, end.into(), now);
                }
                // An agent does not open streams; the multiplexer has refused this one.
                Notice::Opened(_) => {}
            }
        }
        // Its program had gone before.
        while self.not_reached.pop_front_if(|told| now >= *told + CLOSES_WITHIN).is_some() {
            (self.observer)(ForwardEvent::NotReached { after: None, why: None });
        }
        // Not at each that ends while as many wait.
        self.is_full &= 2 * self.relay.stream_count() >= self.max_connections;
        // Nothing else tells of those who have waited for it.
        Ok(if !had_room && self.has_room() { Turn::More } else { turn })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        // Keepalives and the like end with the session.
        let relay = self.relay.poll_timeout().filter(|_| !self.is_over);
        let told = self.not_reached.front().filter(|_| !self.is_over);
        [relay, self.accept_again, told.map(|told| *told + CLOSES_WITHIN)]
            .into_iter()
            .flatten()
            .min()
    }
}

impl<L, F: FnMut(ForwardEvent)> Drop for Forward<L, F> {
    fn drop(&mut self) {
        let connections = self.relay.stream_count();
        let end = if self.is_over { ConnectionEnd::Stopped } else { ConnectionEnd::SessionOver };
        let now = now();
        for stream in self.open.keys().copied().collect::<Vec<_>>() {
            self.closed(stream, self.relay.traffic_of(stream), end, now);
        }
        // What the user has ended needs no word.
        if connections > 0 && !self.is_over {
            (self.observer)(ForwardEvent::CutOff { connections });
        }
        let Traffic { sent, received } = self.relay.traffic();
        tracing::info!("{sent} bytes sent, {received} received");
    }
}

/// Agents up to this version end a multiplexer that is silent for 30 s.
const LAST_WITH_KEEPALIVE: Version = Version::new(3, 1, 1511, 0);
/// As often as the reference client.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// Below the multiplexer's own bound, so that further connections wait in the listener's queue.
const MAX_CONNECTIONS: usize = 2048;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A stream that could not be connected.
const CLOSES_WITHIN: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;

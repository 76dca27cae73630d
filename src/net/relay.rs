//! Moves bytes between the streams of a multiplexer and sockets, for both ends of a port session.
//!
//! Upload: a ready socket gets its turn only while the channel has room; it is read straight
//! behind the headers' place, so what cannot be sent yet stays in the kernel. Download: slices of
//! the WebSocket messages wait in the stream's queue and are written from there.

mod crowd;
mod half_closed;
mod notice;

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use tokio_util::io::poll_read_buf;

use crowd::{Crowd, Verdict};
use half_closed::Looks;
pub use notice::{Notice, StreamEnd, Traffic};

use super::{ReadyList, Socket, Turn};
use crate::{
    channel::{Channel, URGENT},
    mux::{self, Event, Mux, MuxError, StreamId},
    wire::{PacketPool, PayloadType},
};

/// How a relay behaves.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// The multiplexer's settings.
    pub mux: mux::Config,
    /// Sends no faster than this; `None` for as fast as the window allows.
    pub pace: Option<Pace>,
    /// How long streams may take next to nothing, and hold up all others, before one is reset.
    pub stall_limit: Duration,
    /// Sends the multiplexer's keepalive this often, for a peer that wants one.
    pub keepalive: Option<Duration>,
    /// Whether the end of either direction of a stream closes the whole stream, as in the real
    /// agent: what the other direction still has to say is lost.
    pub fin_closes_stream: bool,
    /// How long a local program that has finished its request is kept waiting while nothing of the
    /// answer comes; four times that for the first of it.
    pub answer_patience: Duration,
}

/// The real agent's pacing: payloads of a fixed size, with a pause behind each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// Bytes in a payload.
    pub payload_len: usize,
    /// Time between payloads.
    pub pause: Duration,
}

impl RelayConfig {
    /// The usual settings.
    pub fn new(role: mux::Role) -> Self {
        Self {
            mux: mux::Config::new(role),
            pace: None,
            stall_limit: STALL_LIMIT,
            keepalive: None,
            fin_closes_stream: false,
            answer_patience: ANSWER_PATIENCE,
        }
    }
}

/// The streams of one session and their sockets.
pub struct Relay<S: Socket> {
    mux: Mux,
    connections: HashMap<StreamId, Connection<S>>,
    ready: ReadyList<StreamId>,
    pool: PacketPool,
    config: RelayConfig,
    notices: VecDeque<Notice>,
    /// With pacing: when the next payload may go.
    next_payload: Option<Instant>,
    next_keepalive: Option<Instant>,
    crowd: Crowd,
    traffic: Traffic,
    /// Streams whose local side has ended, and the number below which the channel's messages must
    /// be acknowledged before the peer has had everything of them; lowest first.
    undelivered: VecDeque<(i64, StreamId)>,
    looks: Looks,
}

struct Connection<S> {
    socket: S,
    waker: Waker,
    reading: Reading,
    writing: Writing,
    traffic: Traffic,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reading {
    Open,
    /// The socket's end of file has been seen.
    Ended,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Writing {
    Open,
    /// The peer has finished and all it sent has been written; the shutdown is under way.
    ShuttingDown,
    Ended,
}

impl<S: Socket> Relay<S> {
    /// A relay without streams.
    pub fn new(config: RelayConfig) -> Self {
        Self {
            mux: Mux::new(config.mux.clone()),
            connections: HashMap::new(),
            ready: ReadyList::new(),
            pool: PacketPool::new(CHUNK_LEN),
            notices: VecDeque::new(),
            next_payload: None,
            next_keepalive: None,
            crowd: Crowd::new(config.mux.receive_budget, config.stall_limit),
            traffic: Traffic::default(),
            undelivered: VecDeque::new(),
            looks: Looks::default(),
            config,
        }
    }

    /// Opens a stream for `socket`.
    ///
    /// # Errors
    /// When there are too many streams; the socket is dropped then.
    pub fn open(&mut self, socket: S) -> Result<StreamId, MuxError> {
        let id = self.mux.open()?;
        self.connect(id, socket);
        Ok(id)
    }

    /// Gives a stream that the peer opened its socket.
    pub fn connect(&mut self, id: StreamId, socket: S) {
        let waker = self.ready.waker(id);
        // What has come meanwhile is written, and the socket read, in the next poll.
        waker.wake_by_ref();
        let (reading, writing, traffic) = (Reading::Open, Writing::Open, Traffic::default());
        self.connections.insert(id, Connection { socket, waker, reading, writing, traffic });
    }

    /// Ends a stream that the peer opened and that gets no socket.
    pub fn refuse(&mut self, id: StreamId) {
        self.mux.reset(id);
    }

    /// Sends the peer a sign of life of the multiplexer's own.
    pub fn send_keepalive(&mut self) {
        self.mux.send_keepalive();
    }

    /// Takes the next bytes of the channel.
    ///
    /// # Errors
    /// When they are no frames of the multiplexer; the session cannot go on then.
    pub fn receive(&mut self, bytes: Bytes, now: Instant) -> Result<(), MuxError> {
        let taken = self.mux.handle_bytes(bytes, now);
        // At once, for what has to wait for the next input is copied.
        self.handle_mux_events();
        taken
    }

    /// Whether more may be received: the budget for undelivered bytes is not spent.
    pub fn can_receive(&self) -> bool {
        self.mux.has_room()
    }

    /// Whether all received bytes have been written to their sockets.
    pub fn is_drained(&self) -> bool {
        self.mux.buffered() == 0
    }

    /// See [`RelayConfig::answer_patience`]; of programs that finish from now on.
    pub fn set_answer_patience(&mut self, patience: Duration) {
        self.config.answer_patience = patience;
    }

    /// Streams that are open.
    pub fn stream_count(&self) -> usize {
        self.connections.len()
    }

    /// What has been moved so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// What a stream that is open has moved so far.
    pub fn traffic_of(&self, id: StreamId) -> Traffic {
        self.connections.get(&id).map(|connection| connection.traffic).unwrap_or_default()
    }

    /// What happened since the last call.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// When [`poll`](Self::poll) has something to do even if no socket wakes it.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let crowd = self.crowd.poll_timeout();
        let (mux, looks) = (self.mux.poll_timeout(), self.looks.next());
        let deadlines = [mux, self.next_payload, self.next_keepalive, crowd, looks];
        deadlines.into_iter().flatten().min()
    }

    /// The connection was replaced: the time without one is no silence of the destinations.
    pub fn handle_reconnected(&mut self, now: Instant) {
        self.mux.handle_reconnected(now);
    }

    /// Moves what can be moved both ways, up to a batch.
    pub fn poll(&mut self, cx: &mut Context<'_>, channel: &mut Channel, now: Instant) -> Turn {
        if self.config.mux.role == mux::Role::Client {
            channel.guard(&mux::NOP);
        }
        self.note_delivered(channel, now);
        self.poll_receive(cx, now);
        self.keep_alive(now);
        self.upload(channel, now)
    }

    /// Moves what was received to the sockets, and reads nothing from them.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>, now: Instant) {
        self.ready.register(cx.waker());
        self.mux.handle_timeout(now);
        self.handle_mux_events();
        while let Some(id) = self.ready.pop() {
            self.download(id);
            if self.connections.get(&id).is_some_and(|c| c.reading == Reading::Open) {
                self.mux.mark_woken(id);
            }
        }
        self.look_for_gone(now);
        self.look_for_crowd(now);
    }

    fn keep_alive(&mut self, now: Instant) {
        let Some(interval) = self.config.keepalive else { return };
        if self.next_keepalive.is_none_or(|at| at <= now) {
            self.mux.send_keepalive();
            self.next_keepalive = Some(now + interval);
        }
    }

    // --- from the channel to sockets ---

    fn handle_mux_events(&mut self) {
        while let Some(event) = self.mux.poll_event() {
            match event {
                Event::Opened(id) => self.notices.push_back(Notice::Opened(id)),
                Event::Readable(id) | Event::Finished(id) => self.download(id),
                Event::Unanswered(id) => self.give_up(id),
            }
        }
    }

    fn download(&mut self, id: StreamId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let waker = connection.waker.clone();
        let mut cx = Context::from_waker(&waker);

        while connection.writing == Writing::Open {
            let Some(bytes) = self.mux.front(id) else {
                if self.mux.is_finished(id) {
                    if self.config.fin_closes_stream {
                        return self.abandon(id, StreamEnd::Remote);
                    }
                    connection.writing = Writing::ShuttingDown;
                    self.notices.push_back(Notice::Finished(id));
                }
                break;
            };
            match Pin::new(&mut connection.socket).poll_write(&mut cx, bytes) {
                Poll::Ready(Ok(written)) if written > 0 => {
                    self.mux.consume(id, written);
                    self.traffic.received += written as u64;
                    connection.traffic.received += written as u64;
                }
                Poll::Pending => return,
                Poll::Ready(_) => return self.abandon(id, StreamEnd::Broken),
            }
        }
        if connection.writing == Writing::ShuttingDown {
            match Pin::new(&mut connection.socket).poll_shutdown(&mut cx) {
                Poll::Ready(Ok(())) => connection.writing = Writing::Ended,
                Poll::Pending => return,
                Poll::Ready(Err(_)) => return self.abandon(id, StreamEnd::Broken),
            }
        }
        if connection.writing == Writing::Ended && connection.reading == Reading::Ended {
            self.close(id, StreamEnd::Local);
        }
    }

    // --- from sockets to the channel ---

    fn upload(&mut self, channel: &mut Channel, now: Instant) -> Turn {
        if self.next_payload.is_some_and(|at| at <= now) {
            self.next_payload = None;
        }
        for _ in 0..UPLOAD_BATCH {
            // SYN and FIN never wait behind data, nor for the window.
            if self.mux.has_control() {
                if !channel.can_send_control() {
                    return Turn::Idle;
                }
                self.send_control(channel, now);
                continue;
            }
            if self.next_payload.is_some() {
                return Turn::Idle;
            }
            if channel.can_send() {
                let len = self.config.pace.map_or(channel.payload_len(), |pace| pace.payload_len);
                let Some(id) = self.mux.next_turn() else {
                    channel.seal();
                    return Turn::Idle;
                };
                self.read_socket(id, len, channel, now);
            } else {
                // What is typed does not wait for room behind what is copied.
                let is_urgent = channel.can_send_urgent();
                let id = is_urgent.then(|| self.mux.next_fresh_turn()).flatten();
                let Some(id) = id else { return Turn::Idle };
                self.read_socket(id, URGENT, channel, now);
            }
        }
        Turn::More
    }

    fn send_control(&mut self, channel: &mut Channel, now: Instant) {
        let mut slot = self.pool.slot(CONTROL_LEN);
        while slot.len() + mux::HEADER_LEN <= CONTROL_LEN
            && let Some(header) = self.mux.poll_control()
        {
            bytes::BufMut::put_slice(&mut slot.space(), &header);
        }
        channel.send(PayloadType::Output, slot.finish(), now);
    }

    /// Sends one payload of at most `payload_len` bytes, the multiplexer's header included.
    fn read_socket(
        &mut self,
        id: StreamId,
        payload_len: usize,
        channel: &mut Channel,
        now: Instant,
    ) {
        let payload_len = payload_len.saturating_sub(mux::HEADER_LEN).clamp(1, mux::MAX_FRAME);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let mut cx = Context::from_waker(&connection.waker);
        let mut slot = self.pool.slot(payload_len);
        let socket = Pin::new(&mut connection.socket);
        match poll_read_buf::<_, bytes::buf::Limit<&mut BytesMut>>(
            socket,
            &mut cx,
            &mut slot.space(),
        ) {
            Poll::Pending => {}
            Poll::Ready(Err(_)) => self.abandon(id, StreamEnd::Broken),
            Poll::Ready(Ok(0)) => {
                if self.config.fin_closes_stream {
                    return self.abandon(id, StreamEnd::Local);
                }
                connection.reading = Reading::Ended;
                if connection.writing == Writing::Ended {
                    return self.close(id, StreamEnd::Remote);
                }
                self.finish(id, channel, now);
            }
            Poll::Ready(Ok(len)) => {
                // The agent closes both directions at once: after its FIN nobody would ever read
                // this, and the sender must learn that.
                let is_client = self.config.mux.role == mux::Role::Client;
                if is_client && connection.writing != Writing::Open {
                    connection.socket.reset_on_close();
                    return self.abandon(id, StreamEnd::Remote);
                }
                let Ok(header) = self.mux.data_header(id, len) else {
                    return self.abandon(id, StreamEnd::Broken);
                };
                connection.traffic.sent += len as u64;
                let mut packet = slot.finish();
                packet.prepend(&header);
                // A socket that had less to give has given all.
                if len < payload_len {
                    channel.send(PayloadType::Output, packet, now);
                } else {
                    channel.send_part(PayloadType::Output, packet, now);
                }
                self.traffic.sent += len as u64;
                self.mux.mark_ready(id);
                self.next_payload = self.config.pace.map(|pace| now + pace.pause);
            }
        }
    }

    // --- the end of a stream ---

    /// Both directions have ended in good order.
    fn close(&mut self, id: StreamId, end: StreamEnd) {
        self.mux.finish(id);
        self.remove(id, end);
    }

    /// The socket is broken, or must be broken: nothing more can be delivered to it.
    fn abandon(&mut self, id: StreamId, end: StreamEnd) {
        self.mux.reset(id);
        self.remove(id, end);
    }

    fn remove(&mut self, id: StreamId, end: StreamEnd) {
        if let Some(connection) = self.connections.remove(&id) {
            if connection.reading == Reading::Ended {
                self.undelivered.retain(|(_, other)| *other != id);
            }
            let traffic = connection.traffic;
            self.notices.push_back(Notice::Closed { stream: id, traffic, end });
        }
    }

    /// One slow or stuck reader spends the budget of all: the one that holds most.
    fn look_for_crowd(&mut self, now: Instant) {
        let (has_others, has_room) = (self.mux.stream_count() > 1, self.mux.has_room());
        let verdict = self.crowd.look(now, has_others, has_room, self.traffic.received);
        let fullest = verdict.and_then(|_| self.mux.fullest()).map(|(stream, _)| stream);
        match (verdict, fullest) {
            (Some(Verdict::Slow), Some(stream)) => self.notices.push_back(Notice::Slow(stream)),
            (Some(Verdict::Stuck), Some(stream)) => {
                let discarded = self.mux.queued(stream);
                if let Some(connection) = self.connections.get(&stream) {
                    connection.socket.reset_on_close();
                }
                self.notices.push_back(Notice::Stalled { stream, discarded });
                self.abandon(stream, StreamEnd::Stalled);
            }
            (Some(Verdict::Over(after)), _) => self.notices.push_back(Notice::Flowing { after }),
            _ => {}
        }
    }
}

impl<S: Socket> Drop for Relay<S> {
    /// A connection whose inbound side has not come to its end must not look as if it had.
    fn drop(&mut self) {
        // Agents close what they have in good order: a target whose client has finished, but whose
        // FIN is still held back, has got all there is.
        if self.config.mux.role == mux::Role::Client {
            let cut_off = self.connections.values().filter(|one| one.writing != Writing::Ended);
            cut_off.for_each(|connection| connection.socket.reset_on_close());
        }
    }
}

const CHUNK_LEN: usize = 256 * 1024;
/// Sockets read before the wire has its turn.
const UPLOAD_BATCH: usize = 8;
/// Bytes of SYNs and FINs in one payload.
const CONTROL_LEN: usize = 128 * mux::HEADER_LEN;
/// Longer than most destinations pause in the midst of an answer.
pub const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
const STALL_LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;

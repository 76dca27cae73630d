mod ending;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use bytes::Bytes;

use super::control::{self, ControlQueue};
use super::header::{Command, HEADER_LEN, Header};
use super::parser::{Parser, Piece};
use super::stream::{Outbound, Stream};
use super::turns::Turns;
use super::{Config, MuxError, Role, StreamId};

/// One end of a multiplexed session. The [module](super) has the picture, the order of sending
/// and the bounds.
pub struct Mux {
    config: Config,
    parser: Parser,
    /// The error that ended the inbound direction.
    broken: Option<MuxError>,
    streams: BTreeMap<StreamId, Stream>,
    /// The id for the next stream opened here; none when all are used up.
    next_id: Option<StreamId>,
    /// SYN, FIN and NOP to be sent.
    control: ControlQueue,
    /// The streams with `ready` set.
    turns: Turns,
    /// The streams whose `news` are not empty.
    with_news: VecDeque<StreamId>,
    /// The `wake` times of held FINs.
    wakes: BTreeSet<(Instant, StreamId)>,
    /// The streams that may keep a small slice of the latest input.
    loose: Vec<StreamId>,
    /// The charges of all receive queues.
    buffered: usize,
}

/// What the owner has to know. Of one stream `Opened` comes before `Readable` before `Finished`.
/// An event that is not polled yet is not repeated, so there are at most four per stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The peer opened this stream. Only a server sees this.
    Opened(StreamId),
    /// Bytes arrived on a stream whose queue was empty.
    Readable(StreamId),
    /// The peer's FIN arrived: once the queue is drained, the inbound side is at its end.
    Finished(StreamId),
    /// The answer that [`await_answer`](Mux::await_answer) is about did not come in time. The stream
    /// stays as it is until its owner ends it.
    Unanswered(StreamId),
}

/// Opening and receiving.
impl Mux {
    /// A session with no streams yet.
    pub fn new(config: Config) -> Mux {
        Mux {
            next_id: Some(StreamId(config.role.first_id())),
            parser: Parser::new(config.role),
            config,
            broken: None,
            streams: BTreeMap::new(),
            control: ControlQueue::default(),
            turns: Turns::default(),
            with_news: VecDeque::new(),
            wakes: BTreeSet::new(),
            loose: Vec::new(),
            buffered: 0,
        }
    }

    /// Opens a stream and queues its SYN. A client's ids are 3, 5, 7 and so on.
    ///
    /// # Errors
    ///
    /// [`TooManyStreams`](MuxError::TooManyStreams),
    /// [`ControlBacklog`](MuxError::ControlBacklog), [`IdsExhausted`](MuxError::IdsExhausted).
    pub fn open(&mut self) -> Result<StreamId, MuxError> {
        if self.streams.len() >= self.config.max_streams {
            return Err(MuxError::TooManyStreams(self.streams.len()));
        }
        if self.control.len() >= self.config.control_limit() {
            return Err(MuxError::ControlBacklog(self.control.len()));
        }
        let id = self.unused_id().ok_or(MuxError::IdsExhausted)?;
        self.streams.insert(id, Stream::opened());
        self.control.push_syn(id);
        Ok(id)
    }

    /// Takes the next bytes of the carrier, cut anywhere. Call it only while
    /// [`has_room`](Mux::has_room), and drain the polls afterwards.
    ///
    /// Frames of streams that do not exist (any more) are skipped, and so is payload after a FIN;
    /// xtaci/smux does the same. It also ignores a SYN of a stream that exists.
    ///
    /// # Errors
    ///
    /// [`Header`](MuxError::Header) and [`SynFlood`](MuxError::SynFlood). What came before is
    /// still delivered. Both are final: every later call fails likewise and takes nothing.
    pub fn handle_bytes(&mut self, mut bytes: Bytes, now: Instant) -> Result<(), MuxError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        // What was not delivered before more arrived will wait for a while: let go of the buffer.
        for id in self.loose.drain(..) {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.queue.settle();
            }
        }
        self.take_pieces(&mut bytes, now).inspect_err(|error| self.broken = Some(*error))
    }

    /// The next thing the owner has to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        while let Some(&id) = self.with_news.front() {
            let event = self.streams.get_mut(&id).and_then(|stream| stream.next_event(id));
            if self.streams.get(&id).is_none_or(|s| s.news.is_empty()) {
                self.with_news.pop_front();
                self.forget_if_over(id);
            }
            if event.is_some() {
                return event;
            }
        }
        None
    }

    /// The next received bytes of a stream, as one slice; none when the queue is empty.
    pub fn front(&self, id: StreamId) -> Option<&Bytes> {
        self.streams.get(&id)?.queue.front()
    }

    /// Tells that the first `n` bytes of the queue were delivered. They may span slices; what
    /// exceeds the queue is ignored.
    pub fn consume(&mut self, id: StreamId, n: usize) {
        if let Some(stream) = self.streams.get_mut(&id) {
            self.buffered -= stream.queue.consume(n);
            self.forget_if_over(id);
        }
    }

    /// Received bytes of a stream that wait to be delivered.
    pub fn queued(&self, id: StreamId) -> usize {
        self.streams.get(&id).map_or(0, |stream| stream.queue.len())
    }

    /// Whether all that the peer ever sends on a stream has been delivered: its FIN came and the
    /// queue is empty. So it is with a stream that is over and forgotten, too.
    pub fn is_finished(&self, id: StreamId) -> bool {
        self.streams.get(&id).is_none_or(|stream| stream.peer_finished && stream.queue.is_empty())
    }

    /// What all receive queues cost, in the measure of [`Config::receive_budget`].
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    /// Whether the carrier may be read. False while the receive budget is spent.
    pub fn has_room(&self) -> bool {
        self.buffered < self.config.receive_budget
    }

    /// The stream whose queue costs most, and how much in the measure of
    /// [`Config::receive_budget`]; none when nothing is queued. Looks at every stream: meant for
    /// when the budget is spent, not for every frame.
    pub fn fullest(&self) -> Option<(StreamId, usize)> {
        self.streams
            .iter()
            .map(|(id, stream)| (*id, stream.queue.charge()))
            .filter(|(_, charge)| *charge > 0)
            .max_by_key(|(_, charge)| *charge)
    }

    /// The streams that exist: not over, or not yet drained.
    pub fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// Whether a stream exists.
    pub fn contains(&self, id: StreamId) -> bool {
        self.streams.contains_key(&id)
    }
}

/// Sending. Payload never passes through here: the owner reads it straight behind the gap it has
/// left for the header.
impl Mux {
    /// The stream's socket has something to read, of which its owner has just been told: the stream
    /// gets a turn, before those that had one lately. It stays in line where it is when it waits
    /// already. Of no effect on a stream that cannot send.
    pub fn mark_woken(&mut self, id: StreamId) {
        if self.becomes_ready(id) {
            self.turns.push_fresh(id);
        }
    }

    /// The stream has had its turn and may have more: it gets another one, behind the others.
    /// Otherwise as [`mark_woken`](Mux::mark_woken).
    pub fn mark_ready(&mut self, id: StreamId) {
        if self.becomes_ready(id) {
            self.turns.push(id);
        }
    }

    fn becomes_ready(&mut self, id: StreamId) -> bool {
        let stream = self.streams.get_mut(&id).filter(|stream| stream.outbound == Outbound::Open);
        stream.is_some_and(|stream| !std::mem::replace(&mut stream.ready, true))
    }

    /// Whose turn it is. The owner sends one frame of this stream, and calls
    /// [`mark_ready`](Mux::mark_ready) again if there may be more. Between two turns of a stream
    /// that is ready every other has at most one, and one more if it was silent.
    pub fn next_turn(&mut self) -> Option<StreamId> {
        let id = self.turns.next();
        self.take_turn(id)
    }

    /// As [`next_turn`](Mux::next_turn), of the streams that were silent until now.
    pub fn next_fresh_turn(&mut self) -> Option<StreamId> {
        let id = self.turns.next_fresh();
        self.take_turn(id)
    }

    fn take_turn(&mut self, id: Option<StreamId>) -> Option<StreamId> {
        if let Some(stream) = id.and_then(|id| self.streams.get_mut(&id)) {
            stream.ready = false;
        }
        id
    }

    /// The header in front of `len` bytes of payload, 1 to [`MAX_FRAME`](super::MAX_FRAME).
    ///
    /// # Errors
    ///
    /// [`UnknownStream`](MuxError::UnknownStream), [`SynNotSent`](MuxError::SynNotSent),
    /// [`SendingEnded`](MuxError::SendingEnded), [`FrameLength`](MuxError::FrameLength).
    pub fn data_header(&mut self, id: StreamId, len: usize) -> Result<[u8; HEADER_LEN], MuxError> {
        let stream = self.streams.get(&id).ok_or(MuxError::UnknownStream(id))?;
        if stream.outbound != Outbound::Open {
            return Err(MuxError::SendingEnded(id));
        }
        if stream.syn_waits {
            return Err(MuxError::SynNotSent(id));
        }
        match u16::try_from(len) {
            Ok(length) if length > 0 => {
                Ok(Header { command: Command::Psh, length, stream: id }.encode())
            }
            _ => Err(MuxError::FrameLength { stream: id, len }),
        }
    }

    /// The next SYN, FIN or NOP. They go ahead of all data not yet encoded.
    pub fn poll_control(&mut self) -> Option<[u8; HEADER_LEN]> {
        let frame = self.control.pop()?;
        if let (Command::Syn, id) = frame
            && let Some(stream) = self.streams.get_mut(&id)
        {
            stream.syn_waits = false;
        }
        Some(control::encode(frame))
    }

    /// Whether [`poll_control`](Mux::poll_control) has something.
    pub fn has_control(&self) -> bool {
        !self.control.is_empty()
    }

    /// Queues a NOP, unless one waits already.
    pub fn send_keepalive(&mut self) {
        self.control.push_nop();
    }
}

/// Details.
impl Mux {
    fn take_pieces(&mut self, bytes: &mut Bytes, now: Instant) -> Result<(), MuxError> {
        while let Some(piece) = self.parser.next(bytes)? {
            match piece {
                Piece::Syn(id) => self.take_syn(id)?,
                Piece::Fin(id) => self.take_fin(id),
                Piece::Payload(id, slice) => self.take_payload(id, slice, now),
            }
        }
        Ok(())
    }

    fn take_syn(&mut self, id: StreamId) -> Result<(), MuxError> {
        if self.streams.contains_key(&id) {
            return Ok(());
        }
        // Each stream accepted or refused here costs a FIN in the end.
        let waiting = self.control.len();
        if waiting >= self.config.control_limit() {
            return Err(MuxError::SynFlood { stream: id, waiting });
        }
        let full = self.streams.len() >= self.config.max_streams;
        if full || self.config.role == Role::Client {
            self.control.push_fin(id);
            return Ok(());
        }
        let mut stream = Stream::accepted();
        stream.news.opened = true;
        self.streams.insert(id, stream);
        self.with_news.push_back(id);
        Ok(())
    }

    fn take_fin(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if std::mem::replace(&mut stream.peer_finished, true) {
            return;
        }
        if stream.news.is_empty() {
            self.with_news.push_back(id);
        }
        stream.news.finished = true;
        if let Outbound::Held { .. } = stream.outbound {
            self.close_outbound(id);
        }
    }

    fn take_payload(&mut self, id: StreamId, slice: Bytes, now: Instant) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.peer_finished {
            return;
        }
        stream.heard(now);
        let begins = stream.begin_answer();
        if stream.queue.is_empty() {
            if stream.news.is_empty() {
                self.with_news.push_back(id);
            }
            stream.news.readable = true;
        }
        let was_loose = stream.queue.is_loose();
        self.buffered += stream.queue.push(slice);
        if stream.queue.is_loose() && !was_loose {
            self.loose.push(id);
        }
        if begins {
            // From now on the patience is shorter.
            self.hold_fin(id, now);
        }
    }

    fn forget_if_over(&mut self, id: StreamId) {
        if self.streams.get(&id).is_some_and(Stream::is_over) {
            self.forget(id);
        }
    }

    /// Removes every trace of a stream, save for its control frames.
    fn forget(&mut self, id: StreamId) {
        let Some(stream) = self.streams.remove(&id) else {
            return;
        };
        self.buffered -= stream.queue.charge();
        if stream.ready {
            self.turns.withdraw(id);
        }
        if !stream.news.is_empty() {
            self.with_news.retain(|other| *other != id);
        }
        if let Outbound::Held { wake: Some(wake), .. } = stream.outbound {
            self.wakes.remove(&(wake, id));
        }
    }

    fn unused_id(&mut self) -> Option<StreamId> {
        loop {
            let id = self.next_id?;
            self.next_id = id.0.checked_add(2).map(StreamId);
            // A peer that numbers its streams as ours would be may hold this one.
            if !self.streams.contains_key(&id) {
                return Some(id);
            }
        }
    }
}

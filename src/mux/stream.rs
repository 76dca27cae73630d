use std::fmt;
use std::time::{Duration, Instant};

use super::Event;
use super::queue::ReceiveQueue;

/// The number of a stream within its session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct StreamId(pub u32);

/// What the mux knows of one stream.
pub(super) struct Stream {
    /// Received, not yet delivered.
    pub(super) queue: ReceiveQueue,
    /// Our SYN still waits to be sent.
    pub(super) syn_waits: bool,
    /// The direction from us to the peer.
    pub(super) outbound: Outbound,
    /// The peer's FIN has come: the direction from the peer to us is complete.
    pub(super) peer_finished: bool,
    /// In the ring of streams that wait for a turn.
    pub(super) ready: bool,
    /// What the owner has not been told yet.
    pub(super) news: News,
}

/// How far the sending side of a stream is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outbound {
    /// Data may be sent.
    Open,
    /// The local side is at its end, our FIN is held back.
    Held {
        /// Since when nothing has arrived; none while the peer has not had everything.
        quiet_since: Option<Instant>,
        /// When to look at it again; none when the linger is too long to be expressed. Arrivals
        /// do not move it, so that a frame costs no timer: it is looked at too early, and set
        /// anew.
        wake: Option<Instant>,
        /// Who has finished and is still there to be answered; none when nobody knows.
        waiting: Option<Waiting>,
    },
    /// Our FIN has been sent or waits among the control frames.
    Closed,
}

/// A local side that waits for its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Waiting {
    /// How long it is kept waiting while nothing comes.
    pub(super) patience: Duration,
    /// Something has come since it finished.
    pub(super) has_begun: bool,
}

impl Waiting {
    /// A destination may think about the request for longer than it may pause in the answer.
    pub(super) fn limit(self) -> Duration {
        if self.has_begun { self.patience } else { self.patience.saturating_mul(FIRST_ANSWER) }
    }
}

/// Events of one stream that wait for the owner, each at most once.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct News {
    pub(super) opened: bool,
    pub(super) readable: bool,
    pub(super) finished: bool,
    pub(super) unanswered: bool,
}

impl Stream {
    /// A stream that the peer has opened.
    pub(super) fn accepted() -> Stream {
        Stream {
            queue: ReceiveQueue::default(),
            syn_waits: false,
            outbound: Outbound::Open,
            peer_finished: false,
            ready: false,
            news: News::default(),
        }
    }

    /// A stream that is opened from here and whose SYN waits.
    pub(super) fn opened() -> Stream {
        Stream { syn_waits: true, ..Stream::accepted() }
    }

    /// Something has arrived at `now`.
    pub(super) fn heard(&mut self, now: Instant) {
        if let Outbound::Held { quiet_since: Some(quiet_since), .. } = &mut self.outbound {
            *quiet_since = now;
        }
    }

    /// Something of the answer has come; whether it is the first of it, and silence counted before.
    pub(super) fn begin_answer(&mut self) -> bool {
        match &mut self.outbound {
            Outbound::Held { quiet_since, waiting: Some(waiting), .. } => {
                !std::mem::replace(&mut waiting.has_begun, true) && quiet_since.is_some()
            }
            _ => false,
        }
    }

    /// The next event for the owner, in the order in which a stream lives.
    pub(super) fn next_event(&mut self, id: StreamId) -> Option<Event> {
        if std::mem::take(&mut self.news.opened) {
            return Some(Event::Opened(id));
        }
        // The owner may have looked into the queue unasked, and emptied it.
        if std::mem::take(&mut self.news.readable) && !self.queue.is_empty() {
            return Some(Event::Readable(id));
        }
        if std::mem::take(&mut self.news.finished) {
            return Some(Event::Finished(id));
        }
        // What came at the last moment is an answer.
        std::mem::take(&mut self.news.unanswered)
            .then_some(Event::Unanswered(id))
            .filter(|_| !self.peer_finished)
    }

    /// Whether nothing can happen on this stream any more and the owner knows everything.
    pub(super) fn is_over(&self) -> bool {
        self.outbound == Outbound::Closed
            && self.peer_finished
            && self.queue.is_empty()
            && self.news.is_empty()
    }
}

impl News {
    pub(super) fn is_empty(self) -> bool {
        self == News::default()
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// So many times as long as for more of an answer its first byte is waited for.
pub const FIRST_ANSWER: u32 = 4;

use std::fmt;
use std::time::Instant;

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
    },
    /// Our FIN has been sent or waits among the control frames.
    Closed,
}

/// Events of one stream that wait for the owner, each at most once.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct News {
    pub(super) opened: bool,
    pub(super) readable: bool,
    pub(super) finished: bool,
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

    /// The next event for the owner, in the order in which a stream lives.
    pub(super) fn next_event(&mut self, id: StreamId) -> Option<Event> {
        if std::mem::take(&mut self.news.opened) {
            return Some(Event::Opened(id));
        }
        // The owner may have looked into the queue unasked, and emptied it.
        if std::mem::take(&mut self.news.readable) && !self.queue.is_empty() {
            return Some(Event::Readable(id));
        }
        std::mem::take(&mut self.news.finished).then_some(Event::Finished(id))
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

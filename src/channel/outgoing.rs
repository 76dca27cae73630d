//! Messages that were sent: each is kept until it is acknowledged, and sent again when it is lost.
//!
//! A message is taken as lost when its time runs out (RFC 6298), or when a message that was sent
//! after it has been acknowledged and the reordering window has passed (as RACK does, RFC 8985).
//! The second way finds many losses in one round trip; by timeouts alone, each would cost one.
//!
//! In which order they leave is the matter of [`turns`].

mod loss;
mod turns;

pub(super) use turns::BLOCK;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    Habits, Window,
    recovery::{Acknowledged, Recovery},
};

#[derive(Debug)]
pub(super) struct Outgoing {
    /// The unacknowledged messages and the acknowledged ones between them, oldest first.
    ring: VecDeque<Message>,
    /// Sequence number of `ring[0]`.
    base: i64,
    /// Index of the first message that was never looked at for sending.
    unsent: usize,
    /// The guard before it that waits for the rest of its block.
    withheld: Option<i64>,
    /// The last block, while its guard has not left.
    open: Option<Block>,
    /// No more is to come for the last block for now.
    is_sealed: bool,
    /// Bytes of all messages in the ring; those acknowledged out of turn count until they leave
    /// it: they wait in the other side's reorder buffer.
    span: usize,
    /// Bytes of the messages that are not acknowledged.
    unacknowledged: usize,
    /// Those of them that are on the wire, and not given up.
    under_way: usize,
    /// Messages that wait to be sent again.
    lost: usize,
    /// No message before this index is lost.
    first_lost: usize,
    /// The lost message that has gone again and is to go once more.
    twin: Option<i64>,
    /// One lost message may go whatever the window says: it asks whether anything comes back.
    probes: bool,
    /// The latest sent of all acknowledged messages, in the order of sending.
    newest_acknowledged: Option<u64>,
    /// How long after its first sending a message cannot be acknowledged.
    note_delay: Duration,
    /// Without a window: so many messages are kept.
    most_kept: Option<usize>,
    bound: Window,
    /// How large `span` may be.
    most_span: usize,
    recovery: Recovery,
}

#[derive(Debug)]
struct Message {
    /// Empty once acknowledged.
    frame: Bytes,
    len: usize,
    is_guard: bool,
    first_sent: Option<Instant>,
    last_sent: Option<Instant>,
    /// Number of the last sending, in the order of all sendings.
    order: u64,
    /// Bytes that were under way then, its own included.
    sent_into: usize,
    transmissions: u32,
    state: State,
}

/// Messages that one guard stands before.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// The guard's number.
    guard: i64,
    messages: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Waiting,
    UnderWay,
    Lost,
    Acknowledged,
}

impl Outgoing {
    pub(super) fn new(bound: Window, most_span: usize, habits: &Habits) -> Self {
        Self {
            ring: VecDeque::new(),
            base: 0,
            unsent: 0,
            withheld: None,
            open: None,
            is_sealed: false,
            span: 0,
            unacknowledged: 0,
            under_way: 0,
            lost: 0,
            first_lost: 0,
            twin: None,
            probes: false,
            newest_acknowledged: None,
            note_delay: habits.note_delay,
            most_kept: habits.most_kept,
            bound,
            most_span,
            recovery: Recovery::new(bound.bytes),
        }
    }

    /// What is known of the path.
    pub(super) fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The connection was replaced: what is measured from now on is of the new one.
    pub(super) fn handle_reconnected(&mut self) {
        self.recovery.handle_reconnected();
    }

    /// The service asks for a pause: it takes less than was sent.
    pub(super) fn handle_pause(&mut self) {
        self.recovery.handle_pause();
    }

    /// The lowest number that is not acknowledged.
    pub(super) fn base(&self) -> i64 {
        self.base
    }

    /// The number that the next pushed message will have.
    pub(super) fn next_sequence_number(&self) -> i64 {
        self.base + self.ring.len() as i64
    }

    /// Whether the congestion window, and the bounds of what is kept, have room for more.
    pub(super) fn has_room(&self) -> bool {
        if self.most_kept.is_some() {
            return self.unsent_bytes() < HEAP;
        }
        self.unacknowledged - self.withheld_len() < self.recovery.window()
            && self.span < self.most_span
            && self.ring.len() < self.bound.messages
    }

    /// Bytes that were taken and have not left.
    fn unsent_bytes(&self) -> usize {
        self.ring.range(self.unsent..).map(|message| message.len).sum()
    }

    /// Bytes of the guard that waits for the rest of its block: what only more data sets free must not
    /// be what keeps it out.
    fn withheld_len(&self) -> usize {
        let index = self.withheld.and_then(|number| usize::try_from(number - self.base).ok());
        index.and_then(|index| self.ring.get(index)).map_or(0, |guard| guard.len)
    }

    /// As [`has_room`](Self::has_room), for what goes ahead of its time: so many bytes more than the
    /// last message has filled it with.
    pub(super) fn has_urgent_room(&self, more: usize) -> bool {
        let more = more + self.recovery.message_len();
        self.unacknowledged < self.recovery.urgent_window().saturating_add(more)
            && self.span < self.most_span.saturating_add(more)
            && self.has_reserve()
    }

    /// As [`has_room`](Self::has_room), with a reserve for what must not wait behind data.
    pub(super) fn has_reserve(&self) -> bool {
        if self.most_kept.is_some() {
            return self.unsent_bytes() < 2 * HEAP;
        }
        self.ring.len() < self.bound.messages.saturating_mul(2)
    }

    /// Nothing waits and nothing is unacknowledged.
    pub(super) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Whether all of it is acknowledged or was sent at `since` or later.
    pub(super) fn is_sent_since(&self, since: Instant) -> bool {
        self.ring.iter().all(|message| {
            message.state == State::Acknowledged
                || message.last_sent.is_some_and(|sent| sent >= since)
        })
    }

    /// Bytes of the frames that are not acknowledged, sent or not.
    pub(super) fn unacknowledged(&self) -> usize {
        self.unacknowledged
    }

    /// Takes a message at the end of the line. Returns when the next one may follow, unless at once.
    pub(super) fn push(&mut self, frame: Bytes, now: Instant) -> Option<Instant> {
        self.append(frame, false);
        if let Some(block) = &mut self.open {
            block.messages += 1;
        }
        if let Some(most) = self.most_kept {
            if self.ring.len() > most {
                self.forget_oldest();
            }
            return None;
        }
        let len = self.ring.back().map_or(0, |message| message.len);
        self.recovery.spend(len, self.unacknowledged, now)
    }

    fn append(&mut self, frame: Bytes, is_guard: bool) {
        self.span += frame.len();
        self.unacknowledged += frame.len();
        self.ring.push_back(Message {
            len: frame.len(),
            frame,
            is_guard,
            first_sent: None,
            last_sent: None,
            order: 0,
            sent_into: 0,
            transmissions: 0,
            state: State::Waiting,
        });
    }

    /// It is as if the oldest message had been acknowledged.
    fn forget_oldest(&mut self) {
        if let Some(message) = self.ring.front_mut().filter(|_| self.unsent > 0) {
            match message.state {
                State::Lost => self.lost -= 1,
                State::UnderWay => self.under_way -= message.len,
                State::Waiting | State::Acknowledged => {}
            }
            self.unacknowledged -= message.len;
            message.state = State::Acknowledged;
            self.drop_acknowledged();
        }
    }

    /// Notes an acknowledgement; messages that were sent before `heard` give no round trip, since it
    /// may have waited unread until then. `true` when it is news: repeats, and numbers that were
    /// never sent, change nothing.
    pub(super) fn acknowledge(
        &mut self,
        sequence_number: i64,
        heard: Instant,
        now: Instant,
    ) -> bool {
        let Some(index) = sequence_number
            .checked_sub(self.base)
            .and_then(|index| usize::try_from(index).ok())
            .filter(|index| *index < self.unsent)
        else {
            return false;
        };
        let message = &mut self.ring[index];
        let is_known = matches!(message.state, State::Waiting | State::Acknowledged);
        if is_known || message.is_unnoted(self.note_delay, now) {
            return false;
        }
        match message.state {
            State::Lost => self.lost -= 1,
            _ => self.under_way -= message.len,
        }
        let was_lost = message.state == State::Lost;
        message.state = State::Acknowledged;
        message.frame = Bytes::new();
        self.unacknowledged -= message.len;

        let sent = message.last_sent.unwrap_or(now);
        let elapsed = now.saturating_duration_since(sent);
        // What was lost with a connection has waited for the next one.
        let is_sample = message.transmissions == 1 && !was_lost && sent >= heard;
        // Faster than any round trip: it is an earlier copy that was acknowledged. But not again and
        // again: then the path is a faster one, and nothing else would tell.
        let shortest = self.recovery.shortest().unwrap_or(Duration::MAX);
        let is_of_last_copy = elapsed >= shortest || self.recovery.is_late_again();
        if message.transmissions == 1 || is_of_last_copy {
            self.newest_acknowledged = self.newest_acknowledged.max(Some(message.order));
        }
        let acknowledged = Acknowledged {
            bytes: message.len,
            order: message.order,
            round_trip: is_sample.then_some(elapsed),
            sent_into: message.sent_into,
            under_way: self.under_way,
        };
        self.recovery.handle_acknowledged(acknowledged, now);
        self.drop_acknowledged();
        true
    }

    fn drop_acknowledged(&mut self) {
        while self.ring.front().is_some_and(|m| m.state == State::Acknowledged) {
            if let Some(message) = self.ring.pop_front() {
                self.span -= message.len;
            }
            self.base += 1;
            self.unsent -= 1;
            self.first_lost = self.first_lost.saturating_sub(1);
        }
    }

    /// Whether a message is on the wire and unacknowledged.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way > 0 || self.lost > 0
    }

    /// How long ago the oldest message was first sent.
    pub(super) fn oldest(&self, now: Instant) -> Option<Duration> {
        let sent = self.ring.iter().find_map(|message| message.first_sent)?;
        Some(now.saturating_duration_since(sent))
    }
}

impl Message {
    fn is_unnoted(&self, note_delay: Duration, now: Instant) -> bool {
        let sent = self.last_sent.filter(|_| self.transmissions == 1);
        sent.is_some_and(|sent| now.saturating_duration_since(sent) < note_delay)
    }
}

/// Bytes that may wait to leave where there is no window.
const HEAP: usize = 64 * 1024;

#[cfg(test)]
mod tests;

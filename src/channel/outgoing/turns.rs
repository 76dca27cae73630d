//! Whose turn it is to leave: lost messages first, then what is new; and in each block of messages
//! the lowest number last.
//!
//! The real agent passes a message that comes in its turn on to the destination first, acknowledges
//! it second, and counts it third. When its own connection breaks in between it does not count, and
//! the right repeat of that message is passed on once more: bytes that nobody has written. A message
//! that comes *out of* its turn it acknowledges first and keeps then. So no message that means
//! anything must ever be the one that it expects. (Measured, and read in its source.)
//!
//! ```text
//!   numbers     | 40     41 42 43 44 45 46 47 48 | 49     50 51 52 ...
//!               | guard  data                    | guard  data
//!   sent as       41 42 43 44 45 46 47 48 40        50 51 52 ... 49
//! ```
//!
//! The *guard* has the lowest number of its block and carries nothing. All behind it wait in the
//! agent's reorder buffer, acknowledged, until the guard comes; its repeats do no harm. What is lost
//! goes again in the same order: data before the guard of its block, which would else be passed on up
//! to the hole, and the lost message would be the next in turn.

use std::time::Instant;

use bytes::Bytes;

use super::{Block, Outgoing, State};

/// A frame whose turn has come.
#[derive(PartialEq, Eq, Debug)]
pub(in crate::channel) struct Turn {
    pub(in crate::channel) frame: Bytes,
    /// When the next one may follow, unless at once.
    pub(in crate::channel) next: Option<Instant>,
}

/// Messages behind one guard. More would cost fewer bytes, and wait longer for it.
pub(in crate::channel) const BLOCK: usize = 8;

impl Outgoing {
    /// Whether the next message needs another guard before it.
    pub(in crate::channel) fn needs_guard(&self) -> bool {
        self.open.is_none_or(|block| block.messages >= BLOCK)
    }

    /// Takes the guard of the block that begins with it.
    pub(in crate::channel) fn push_guard(&mut self, frame: Bytes) {
        self.open = Some(Block { guard: self.next_sequence_number(), messages: 0 });
        self.append(frame, true);
        self.is_sealed = false;
    }

    /// The last block is complete with what it has: its guard goes behind the last of its messages.
    pub(in crate::channel) fn seal(&mut self) {
        self.is_sealed = true;
    }

    /// The next frame to put on the wire, and when the next one may follow, unless at once. What is
    /// sent again has to wait for its turn as well, and `is_paced` says that it has not come.
    pub(in crate::channel) fn transmit(&mut self, now: Instant, is_paced: bool) -> Option<Turn> {
        let has_window = self.most_kept.is_some() || self.under_way < self.recovery.window();
        let has_room = !is_paced && has_window;
        let twin = self.twin.take_if(|_| !is_paced).and_then(|number| self.still_under_way(number));
        let index = match (twin, self.lost) {
            (Some(twin), _) => twin,
            (None, 1..) if has_room || self.probes => self.next_lost()?,
            _ => self.next_unsent()?,
        };
        let under_way = self.under_way;
        let is_tight = self.is_tight();
        let message = self.ring.get_mut(index)?;
        let is_repeat = message.transmissions > 0;
        if message.state == State::Lost {
            self.lost -= 1;
            self.probes = false;
            self.twin = is_tight.then_some(self.base + index as i64);
        }
        if message.state != State::UnderWay {
            message.state = State::UnderWay;
            self.under_way += message.len;
        }
        message.transmissions = message.transmissions.saturating_add(1);
        message.first_sent.get_or_insert(now);
        message.last_sent = Some(now);
        message.order = self.recovery.handle_sent(under_way);
        message.sent_into = self.under_way;
        let (frame, len) = (message.frame.clone(), message.len);
        let paid = (is_repeat && self.most_kept.is_none())
            .then(|| self.recovery.spend(len, self.unacknowledged, now));
        Some(Turn { frame, next: paid.flatten() })
    }

    /// Whether one more loss of what is lost already would stop the sender: so much waits for it. A
    /// lost message then goes twice, which makes that as unlikely again.
    fn is_tight(&self) -> bool {
        self.most_kept.is_none() && self.span + 2 * self.recovery.window() > self.most_span
    }

    fn still_under_way(&self, number: i64) -> Option<usize> {
        let index = usize::try_from(number - self.base).ok()?;
        (self.ring.get(index)?.state == State::UnderWay).then_some(index)
    }

    fn next_lost(&mut self) -> Option<usize> {
        let mut rest = self.ring.iter().skip(self.first_lost);
        let index = self.first_lost + rest.position(|message| message.state == State::Lost)?;
        self.first_lost = index;
        if !self.ring[index].is_guard {
            return Some(index);
        }
        Some(self.lost_behind(index).unwrap_or(index))
    }

    /// A lost message of the block whose guard is at `guard`.
    fn lost_behind(&self, guard: usize) -> Option<usize> {
        let block = self.ring.iter().enumerate().skip(guard + 1).take(BLOCK);
        let mut block = block.take_while(|(_, message)| !message.is_guard);
        block.find(|(_, message)| message.state == State::Lost).map(|(index, _)| index)
    }

    fn next_unsent(&mut self) -> Option<usize> {
        loop {
            let Some(message) = self.ring.get(self.unsent) else {
                // Behind what has all arrived nothing may come for long, and nothing would wake us.
                let is_last = self.is_sealed || !self.is_under_way();
                return is_last.then(|| self.take_withheld()).flatten();
            };
            if message.is_guard {
                if self.withheld.is_some() {
                    return self.take_withheld();
                }
                self.withheld = Some(self.base + self.unsent as i64);
                self.unsent += 1;
            } else {
                self.unsent += 1;
                return Some(self.unsent - 1);
            }
        }
    }

    /// The guard that was left out, unless part of its block is to go again first.
    fn take_withheld(&mut self) -> Option<usize> {
        let index = usize::try_from(self.withheld? - self.base).ok()?;
        if self.lost_behind(index).is_some() {
            return None;
        }
        let guard = self.withheld.take();
        self.open = self.open.filter(|block| Some(block.guard) != guard);
        Some(index)
    }
}

//! How much may be under way: a window that follows the round trip, losses and pauses.
//!
//! Below the channel lie two TCP connections, which know of lossy networks: what the channel sees
//! of congestion is delay. Its own losses come from the service, which drops what a node cannot
//! take. So the window is ruled by delay first, as in FAST TCP (Wei et al., 2006): it is what the
//! empty path holds and on top what [`queue_target`] says, which keeps the slowest place busy and
//! little waiting.
//!
//! ```text
//!   once a round trip, with the shortest one measured in it:
//!
//!   window = (window + window * shortest / shortest now + rate * queue_target(rate)) / 2
//! ```
//!
//! - At first the window doubles each round trip until a queue shows.
//! - While none shows afterwards, it grows by twice as much each round trip, beginning anew where the
//!   path was full before.
//! - Where more messages are lost than [`LossShare`](super::loss::LossShare) takes for an accident,
//!   something drops for want of room: it shrinks to what has arrived. Fewer losses mean nothing,
//!   they are made good.
//! - A timeout changes nothing: it asks whether anything comes back, with one message.
//! - pause_publication halves it.
//! - It grows only while it is what holds the sender back.

use std::time::Duration;

use super::queue_target::queue_target;

#[derive(Clone, Copy, Debug)]
pub(super) struct CongestionWindow {
    /// Bytes of frames that may be under way.
    bytes: usize,
    limit: usize,
    phase: Phase,
    /// What the path held when it was last seen full.
    ceiling: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Doubling, until a queue or a loss shows.
    Starting,
    /// So many round trips in a row have shown no queue.
    Steady { empty: u32 },
}

/// What one round trip has shown of the path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    /// The shortest round trip that there is.
    pub(super) shortest: Duration,
    /// How long messages wait on top of it, by those that waited least.
    pub(super) queue: Duration,
    /// Bytes a second that arrive.
    pub(super) rate: f64,
    /// Those that have arrived at the most of late.
    pub(super) most: f64,
    /// The window has held something back.
    pub(super) was_full: bool,
    /// Bytes of one message, of which at least two are to be under way.
    pub(super) message: usize,
}

impl Sight {
    /// Bytes that are to wait at the slowest place.
    fn queue_bytes(&self) -> usize {
        let target = self.rate * queue_target(self.rate).as_secs_f64();
        (target as usize).max(self.message)
    }

    /// The part of `window` that the path itself holds.
    fn share(&self, window: usize) -> usize {
        let shortest = self.shortest.as_secs_f64();
        (window as f64 * shortest / (shortest + self.queue.as_secs_f64())) as usize
    }
}

impl CongestionWindow {
    /// A window that never gets larger than `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: INITIAL.min(limit), limit, phase: Phase::Starting, ceiling: limit }
    }

    /// Bytes of frames that may be under way.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_starting(&self) -> bool {
        self.phase == Phase::Starting
    }

    /// A message of `bytes` is acknowledged, of a round trip in which the window was full or not.
    pub(super) fn handle_acknowledged(&mut self, bytes: usize, was_full: bool) {
        if self.is_starting() && was_full {
            self.resize(self.bytes.saturating_add(bytes));
        }
    }

    /// Some messages have shown the path while the window was doubling, the first ones of a round
    /// trip or later ones; `under_way` were the bytes when they left. Ends the doubling when there is
    /// a queue, without waiting for the round trip to end: that is when it would have doubled once
    /// more. Whether it has.
    pub(super) fn look_for_queue(
        &mut self,
        sight: &Sight,
        under_way: usize,
        is_first: bool,
    ) -> bool {
        let sign = (queue_target(sight.rate) / 2).max((sight.shortest / 8).min(LONGEST_SIGN));
        // Those behind them meet what the sender itself has sent in a heap, too.
        let sign = if is_first { sign } else { 2 * sign };
        let is_over = self.is_starting() && sight.queue > sign;
        if is_over {
            let path = sight.share(under_way);
            self.fill((path + sight.queue_bytes()).min(self.bytes));
        }
        is_over
    }

    pub(super) fn end_round(&mut self, sight: &Sight) {
        let Phase::Steady { empty } = self.phase else { return };
        let queue_bytes = sight.queue_bytes();
        if sight.queue < queue_target(sight.rate) / 4 {
            if sight.was_full {
                let more = queue_bytes.saturating_mul(1 << empty.min(MAX_DOUBLINGS));
                let next = self.bytes.saturating_add(more.min(self.bytes / GROWTH));
                // From where the path was full before, carefully.
                let is_there = self.bytes < self.ceiling && next >= self.ceiling;
                let empty = if is_there { 0 } else { empty + 1 };
                self.phase = Phase::Steady { empty };
                self.resize(if is_there { self.ceiling } else { next });
            }
            return;
        }
        let path = sight.share(self.bytes);
        let better = usize::midpoint(self.bytes, path.saturating_add(queue_bytes));
        if better < self.bytes || sight.was_full {
            self.fill(better.max(2 * sight.message));
        }
    }

    /// More was lost than can be by accident: what the path holds is what has arrived.
    pub(super) fn handle_heavy_loss(&mut self, sight: &Sight) {
        let path = (sight.most * sight.shortest.as_secs_f64()) as usize;
        let less = (path + sight.queue_bytes()).min(self.bytes / 10 * 9);
        self.fill(less.max((2 * sight.message).min(self.bytes)));
    }

    /// The path is full with `bytes`.
    fn fill(&mut self, bytes: usize) {
        self.phase = Phase::Steady { empty: 0 };
        self.ceiling = bytes;
        self.resize(bytes);
    }

    /// The path has turned out to hold more than was thought: the window grows as if it had done so
    /// for a while.
    pub(super) fn handle_longer_path(&mut self) {
        if !self.is_starting() {
            self.phase = Phase::Steady { empty: HEAD_START };
        }
    }

    /// The service asks for a pause.
    pub(super) fn handle_pause(&mut self, message: usize) {
        self.phase = Phase::Steady { empty: 0 };
        self.shrink(self.bytes / 2, message);
    }

    /// To `bytes`, if that is less and no less than two messages.
    fn shrink(&mut self, bytes: usize, message: usize) {
        self.resize(bytes.max((2 * message).min(self.bytes)));
    }

    fn resize(&mut self, bytes: usize) {
        self.bytes = bytes.min(self.limit);
    }
}

/// A few of the first messages: a second of the slowest line, and three round trips more than a
/// fast one would need.
const INITIAL: usize = 16 << 10;
/// However long the path is, so much waiting is a sign, as in HyStart++ (RFC 9406).
const LONGEST_SIGN: Duration = Duration::from_millis(16);
/// Where no queue shows, the window grows by at most one part of so many a round trip: what it does
/// shows two round trips later.
const GROWTH: usize = 6;
const MAX_DOUBLINGS: u32 = 16;
const HEAD_START: u32 = 2;

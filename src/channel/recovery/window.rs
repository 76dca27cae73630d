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
    /// Those that have arrived at the most in a longer while.
    pub(super) peak: f64,
    /// The window has held something back.
    pub(super) was_full: bool,
    /// The round trip before has shown no such queue.
    pub(super) is_sudden: bool,
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
                // Where round trips are shorter than what a task does at once, none shows a queue.
                let path = (sight.peak * sight.shortest.as_secs_f64()) as usize;
                let most = path.saturating_add(queue_bytes).saturating_mul(3) / 2;
                let next = next.min(most.max(self.bytes));
                // From where the path was full before, carefully.
                let is_there = self.bytes < self.ceiling && next >= self.ceiling;
                let empty = if is_there { 0 } else { empty + 1 };
                self.phase = Phase::Steady { empty };
                self.resize(if is_there { self.ceiling } else { next });
            }
            return;
        }
        let full = sight.share(self.bytes).saturating_add(queue_bytes);
        let better = match sight.is_sudden && sight.queue > FELT {
            true => full.max(self.bytes / 4).min(self.bytes),
            false => usize::midpoint(self.bytes, full),
        };
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

    /// The path has turned out to be so much longer than was thought, and not slower: what it carried
    /// before it carries for longer. The window takes half of that at once, and grows as if it had done
    /// so for a while, up to where it must be full.
    pub(super) fn handle_longer_path(&mut self, sight: &Sight, longer: Duration) {
        if !self.is_starting() {
            self.phase = Phase::Steady { empty: HEAD_START };
            let path = (sight.peak * sight.shortest.as_secs_f64()) as usize;
            self.ceiling = path.saturating_add(sight.queue_bytes());
            let more = (sight.peak * longer.as_secs_f64() / 2.0) as usize;
            self.resize(self.bytes.saturating_add(more).min(self.ceiling.max(self.bytes)));
        }
    }

    /// The path has been looked at, and is as long as it was: no more than it holds, and what is to
    /// wait on it.
    pub(super) fn handle_same_path(&mut self, sight: &Sight) {
        let path = (sight.peak * sight.shortest.as_secs_f64()) as usize;
        self.shrink(path.saturating_add(sight.queue_bytes()), sight.message);
    }

    /// The service asks for a pause.
    pub(super) fn handle_pause(&mut self, message: usize) {
        self.phase = Phase::Steady { empty: 0 };
        self.shrink(self.bytes / 2, message);
    }

    /// To `bytes`, if that is less and no less than two messages.
    fn shrink(&mut self, bytes: usize, message: usize) {
        self.resize(bytes.max(2 * message).min(self.bytes));
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
/// A queue that somebody who types feels. When it comes at once, the path has become slower or longer,
/// and half way is too little.
const FELT: Duration = Duration::from_millis(100);
const HEAD_START: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 16 << 20;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A sender that always has data, and a path of a round trip and a rate.
    struct Bench {
        window: CongestionWindow,
        shortest: Duration,
        rate: f64,
    }

    impl Bench {
        fn new(shortest: Duration, rate: f64) -> Self {
            Self { window: CongestionWindow::new(LIMIT), shortest, rate }
        }

        /// What the window makes of the path.
        fn sight(&self) -> Sight {
            let path = self.rate * self.shortest.as_secs_f64();
            let waits = (self.window.bytes() as f64 - path).max(0.0) / self.rate;
            let arrives = self.rate.min(self.window.bytes() as f64 / self.shortest.as_secs_f64());
            Sight {
                shortest: self.shortest,
                queue: Duration::from_secs_f64(waits),
                rate: arrives,
                most: arrives,
                peak: arrives,
                was_full: true,
                is_sudden: false,
                message: 4 << 10,
            }
        }

        /// One round trip: a window is sent and acknowledged.
        fn round(&mut self) {
            let (sight, sent) = (self.sight(), self.window.bytes());
            self.window.look_for_queue(&sight, sent, true);
            self.window.handle_acknowledged(sent, true);
            self.window.end_round(&sight);
        }

        fn rounds(&mut self, count: usize) -> usize {
            (0..count).for_each(|_| self.round());
            self.window.bytes()
        }
    }

    #[test]
    fn a_long_empty_path_is_filled_by_doubling() {
        let mut bench = Bench::new(ms(200), 1e12);
        assert_eq!(bench.rounds(1), 2 * INITIAL);
        assert_eq!(bench.rounds(9), LIMIT);
    }

    #[test]
    fn the_window_settles_where_the_queue_is_short() {
        for (shortest, rate) in [(ms(200), 40e6), (ms(20), 10e6), (ms(20), 60e3), (ms(600), 1e6)] {
            let mut bench = Bench::new(shortest, rate);
            bench.rounds(80);
            let (waits, wanted) = (bench.sight().queue, queue_target(rate));
            let least = Duration::from_secs_f64(f64::from(4 << 10) / rate);
            let wanted = wanted.max(least);
            assert!(waits > wanted / 2 && waits < wanted * 2, "{waits:?} at {rate} B/s");
        }
    }

    #[test]
    fn a_path_that_gets_faster_is_filled_in_some_round_trips() {
        let mut bench = Bench::new(ms(100), 500e3);
        bench.rounds(60);
        bench.rate = 5e6;
        assert!(bench.rounds(40) > 500_000, "{}", bench.window.bytes());
    }

    #[test]
    fn a_path_that_gets_much_slower_lowers_the_window_by_more_than_half_once() {
        let mut bench = Bench::new(ms(200), 5e6);
        let before = bench.rounds(60);
        bench.rate = 500e3;
        bench.window.end_round(&Sight { is_sudden: true, ..bench.sight() });
        assert_eq!(bench.window.bytes(), before / 4);
        bench.window.end_round(&bench.sight());
        assert!(bench.window.bytes() > before / 9, "by half from there on");
    }

    #[test]
    fn a_longer_path_holds_what_it_carried_for_longer() {
        let mut bench = Bench::new(ms(100), 1e6);
        let before = bench.rounds(60);
        bench.shortest = ms(400);
        let sight = Sight { peak: 1e6, ..bench.sight() };
        bench.window.handle_longer_path(&sight, ms(300));
        assert_eq!(bench.window.bytes(), before + 150_000);
        bench.rounds(10);
        assert!((400_000..440_000).contains(&bench.window.bytes()), "{}", bench.window.bytes());
    }

    #[test]
    fn heavy_loss_shrinks_the_window_to_what_arrives() {
        let mut bench = Bench::new(ms(200), 1e6);
        bench.window.handle_acknowledged(2 << 20, true);
        bench.window.handle_heavy_loss(&Sight { queue: ms(10), ..bench.sight() });
        let path = 200_000;
        assert!((path..path + 50_000).contains(&bench.window.bytes()), "{}", bench.window.bytes());
        assert!(!bench.window.is_starting());
    }

    #[test]
    fn pauses_halve_it_down_to_two_messages() {
        let mut bench = Bench::new(ms(200), 1e12);
        bench.rounds(10);
        bench.window.handle_pause(4096);
        assert_eq!(bench.window.bytes(), LIMIT / 2);
        (0..20).for_each(|_| bench.window.handle_pause(4096));
        assert_eq!(bench.window.bytes(), 8192);
    }

    #[test]
    fn a_sender_with_little_to_send_keeps_its_window() {
        let mut bench = Bench::new(ms(20), 1e6);
        for _ in 0..100 {
            bench.window.handle_acknowledged(200, false);
            bench.window.end_round(&Sight { was_full: false, ..bench.sight() });
        }
        assert_eq!(bench.window.bytes(), INITIAL);
    }
}

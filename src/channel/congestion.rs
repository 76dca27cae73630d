//! How much may be under way: a window that follows the round trip, losses and pauses.
//!
//! Below the channel lie two TCP connections, which know of lossy networks: what the channel sees
//! of congestion is delay. Its own losses come from the service, which drops what a node cannot
//! take. So the window is ruled by delay first, as in FAST TCP (Wei et al., 2006): it is what the
//! empty path holds and [`QUEUE`] on top, which keeps the slowest place busy and little waiting.
//!
//! ```text
//!   once a round trip, with the shortest one measured in it:
//!
//!   window = (window + window * shortest ever / shortest now + QUEUE) / 2
//! ```
//!
//! - At first, and after a timeout, the window doubles each round trip until a queue shows.
//! - A round trip that lost more than [`TOLERATED_LOSS`] of its messages shrinks it by 3/10: the
//!   service is dropping. Few losses mean nothing, they are made good.
//! - A timeout shrinks it to [`SMALLEST`]: nothing comes back at all.
//! - pause_publication halves it.
//! - It grows only while it is what holds the sender back.
//!
//! Only new messages wait for the window. Lost ones are sent again at once.

use std::time::Duration;

use super::rtt::Rtt;

#[derive(Debug)]
pub(super) struct Congestion {
    /// Bytes of frames that may be unacknowledged before another message is taken.
    window: usize,
    limit: usize,
    /// Doubling, until a queue or a loss shows.
    is_starting: bool,
    /// While starting: the shortest of the last few round trips, and how many they are.
    recent: (Duration, u32),
    round: Round,
}

/// What happened in one round trip: from a message's sending until one that was sent later is
/// acknowledged.
#[derive(Default, Debug)]
struct Round {
    /// The first sequence number that belongs to the next round.
    end: i64,
    sent: u32,
    lost: u32,
    shortest: Option<Duration>,
    /// The window has held something back.
    was_full: bool,
}

impl Congestion {
    /// A window that never gets larger than `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        let window = QUEUE.min(limit);
        Self { window, limit, is_starting: true, recent: NO_SAMPLES, round: Round::default() }
    }

    /// Bytes of frames that may be unacknowledged.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    pub(super) fn handle_sent(&mut self) {
        self.round.sent = self.round.sent.saturating_add(1);
    }

    pub(super) fn handle_lost(&mut self) {
        self.round.lost = self.round.lost.saturating_add(1);
    }

    /// A message of `bytes` is acknowledged, when `unacknowledged` bytes were under way, this
    /// message's included. `sample` is its round trip, if it gives one; `rtt` knows of it already.
    pub(super) fn handle_acknowledged(
        &mut self,
        bytes: usize,
        unacknowledged: usize,
        sample: Option<Duration>,
        rtt: &Rtt,
    ) {
        let is_full = unacknowledged >= self.window / 2;
        self.round.was_full |= is_full;
        if let Some(sample) = sample {
            let shortest = self.round.shortest.get_or_insert(sample);
            *shortest = sample.min(*shortest);
            if self.is_starting {
                self.look_for_queue(sample, rtt);
            }
        }
        if self.is_starting && is_full {
            self.resize(self.window.saturating_add(bytes));
        }
    }

    /// Ends the doubling once a queue shows in several messages, without waiting for the round to
    /// end: that is when it would have doubled once more.
    fn look_for_queue(&mut self, sample: Duration, rtt: &Rtt) {
        let (shortest, count) = self.recent;
        self.recent = (sample.min(shortest), count + 1);
        if self.recent.1 < SAMPLES {
            return;
        }
        let (now, _) = std::mem::replace(&mut self.recent, NO_SAMPLES);
        // These messages were sent a round trip ago, into half the window.
        let then = self.window / 2;
        let path = share(then, rtt.min(), now);
        if then - path > QUEUE / 2 {
            self.is_starting = false;
            self.resize((path + QUEUE).min(self.window));
        }
    }

    /// Whether the acknowledgement of this message ends the round.
    pub(super) fn ends_round(&self, sequence_number: i64) -> bool {
        sequence_number >= self.round.end
    }

    /// Ends a round; the next one ends with the message `next` or a later one.
    pub(super) fn end_round(&mut self, rtt: &Rtt, next: i64) {
        let round = std::mem::replace(&mut self.round, Round { end: next, ..Round::default() });
        if u64::from(round.lost) * TOLERATED_LOSS > u64::from(round.sent) && round.lost > 1 {
            self.is_starting = false;
            let smaller = self.window / 10 * 7;
            self.resize(smaller.max(FLOOR.min(self.window)));
            return;
        }
        let Some(now) = round.shortest.filter(|_| !self.is_starting) else { return };
        let path = share(self.window, rtt.min(), now);
        let better = usize::midpoint(self.window, path.saturating_add(QUEUE));
        if better < self.window || round.was_full {
            self.resize(better);
        }
    }

    /// Nothing was acknowledged in time.
    pub(super) fn handle_timeout(&mut self) {
        self.is_starting = true;
        self.recent = NO_SAMPLES;
        self.resize(SMALLEST.min(self.window));
    }

    /// The service asks for a pause.
    pub(super) fn handle_pause(&mut self) {
        self.is_starting = false;
        let half = self.window / 2;
        self.resize(half.max(FLOOR.min(self.window)));
    }

    /// There is a new connection: what was measured in this round is of the old one. `next` is the
    /// number of the first message that has never been sent.
    pub(super) fn handle_reconnected(&mut self, next: i64) {
        self.round = Round { end: next, ..Round::default() };
    }

    fn resize(&mut self, window: usize) {
        self.window = window.min(self.limit);
    }
}

/// The part of `window` that the path itself holds, by its shortest round trip and that of now.
fn share(window: usize, shortest: Duration, now: Duration) -> usize {
    if now <= shortest {
        return window;
    }
    (window as f64 * (shortest.as_secs_f64() / now.as_secs_f64())) as usize
}

/// What may wait at the slowest place. The real agent takes 38 to 43 MB/s with 8 to 16 messages of
/// 32 KiB under way on an empty path; more make it no faster.
const QUEUE: usize = 512 << 10;
/// Losses do not shrink the window below this: eight of the largest messages, so that the loss of
/// one is told by the others.
const FLOOR: usize = 256 << 10;
/// After a timeout: two of the largest messages.
const SMALLEST: usize = 64 << 10;
/// As many round trips as HyStart++ (RFC 9406) looks at.
const SAMPLES: u32 = 8;
const NO_SAMPLES: (Duration, u32) = (Duration::MAX, 0);
/// One message of so many.
const TOLERATED_LOSS: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 16 << 20;
    const FRAME: usize = 32 << 10;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A sender that always has data, and a path of a round trip and a rate.
    struct Bench {
        congestion: Congestion,
        rtt: Rtt,
        base: Duration,
        /// Bytes a second that the slowest place takes.
        rate: f64,
        next: i64,
    }

    impl Bench {
        fn new(base: Duration, rate: f64) -> Self {
            let (congestion, mut rtt) = (Congestion::new(LIMIT), Rtt::new());
            // The handshake has shown the empty path.
            rtt.sample(base);
            Self { congestion, rtt, base, rate, next: 0 }
        }

        /// One round trip: a window is sent and acknowledged, but for the lost ones.
        fn round(&mut self, lost: u32) {
            let window = self.congestion.window();
            let messages = window.div_ceil(FRAME).max(1);
            let queued = (window as f64 / self.rate - self.base.as_secs_f64()).max(0.0);
            let sample = self.base + Duration::from_secs_f64(queued);
            (0..messages).for_each(|_| self.congestion.handle_sent());
            (0..lost).for_each(|_| self.congestion.handle_lost());
            for _ in 0..messages {
                self.rtt.sample(sample);
                let unacknowledged = self.congestion.window();
                self.congestion.handle_acknowledged(FRAME, unacknowledged, Some(sample), &self.rtt);
                self.next += 1;
            }
            assert!(self.congestion.ends_round(self.next));
            self.congestion.end_round(&self.rtt, self.next);
        }

        fn window(&self) -> usize {
            self.congestion.window()
        }
    }

    #[test]
    fn a_long_empty_path_is_filled_by_doubling() {
        let mut bench = Bench::new(ms(200), 1e12);
        for _ in 0..8 {
            bench.round(0);
        }
        assert_eq!(bench.window(), LIMIT);
    }

    #[test]
    fn the_window_settles_where_the_queue_is_short() {
        for (base, rate) in [(ms(200), 40e6), (ms(20), 10e6), (ms(2), 40e6), (ms(300), 1e6)] {
            let mut bench = Bench::new(base, rate);
            for _ in 0..60 {
                bench.round(0);
            }
            let path = rate * base.as_secs_f64();
            let queue = bench.window() as f64 - path;
            let found = format!("{base:?} at {rate} B/s: {queue} bytes wait");
            assert!(queue > QUEUE as f64 * 0.4 && queue < QUEUE as f64 * 1.6, "{found}");
        }
    }

    #[test]
    fn few_losses_are_made_good_and_many_shrink_the_window() {
        let mut bench = Bench::new(ms(200), 1e12);
        for _ in 0..8 {
            bench.round(0);
        }
        bench.round(5);
        assert_eq!(bench.window(), LIMIT, "1 % of 512 messages");
        bench.round(50);
        assert_eq!(bench.window(), LIMIT / 10 * 7);
        for _ in 0..40 {
            bench.round(1000);
        }
        assert_eq!(bench.window(), FLOOR);
    }

    #[test]
    fn timeouts_begin_anew_and_pauses_halve() {
        let mut bench = Bench::new(ms(200), 1e12);
        for _ in 0..8 {
            bench.round(0);
        }
        bench.congestion.handle_pause();
        assert_eq!(bench.window(), LIMIT / 2);
        bench.congestion.handle_timeout();
        assert_eq!(bench.window(), SMALLEST);
        bench.congestion.handle_pause();
        assert_eq!(bench.window(), SMALLEST, "a pause does not make it larger");
        bench.congestion.handle_timeout();
        for _ in 0..5 {
            bench.round(0);
        }
        assert!(bench.window() >= 1 << 20, "{}", bench.window());
    }

    #[test]
    fn a_sender_with_little_to_send_keeps_its_window() {
        let (mut congestion, mut rtt) = (Congestion::new(LIMIT), Rtt::new());
        for n in 0..100 {
            rtt.sample(ms(20));
            congestion.handle_sent();
            congestion.handle_acknowledged(200, 200, Some(ms(20)), &rtt);
            congestion.end_round(&rtt, n + 1);
        }
        assert_eq!(congestion.window(), QUEUE);
    }
}

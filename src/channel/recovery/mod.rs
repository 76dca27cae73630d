//! What a sender learns of its path, and what follows from it: how much may be under way, how large
//! messages are, how fast they leave, and when one is late.
//!
//! ```text
//!                       +--> RoundTrip ----------> timeouts, what counts as overtaken
//!   acknowledgements ---+--> Shortest ---+
//!                       +--> DeliveryRate --> queue_target, message length
//!   losses -----------> LossShare -------+
//!                                        +--> CongestionWindow --> Pacer
//! ```
//!
//! Each is a small machine of its own; [`Recovery`] tells them what happens. There is no clock and
//! no I/O: time comes as an argument. Messages are told apart by the order in which they were sent,
//! which is not that of their numbers.

mod loss;
mod pacer;
mod queue_target;
mod rate;
mod round_trip;
mod shortest;
mod window;

use std::time::{Duration, Instant};

use loss::LossShare;
use pacer::Pacer;
use rate::DeliveryRate;
use round_trip::RoundTrip;
use shortest::Shortest;
use window::{CongestionWindow, Sight};

/// One sender's view of its path.
#[derive(Debug)]
pub(super) struct Recovery {
    round_trip: RoundTrip,
    shortest: Shortest,
    rate: DeliveryRate,
    loss: LossShare,
    window: CongestionWindow,
    pacer: Pacer,
    round: Round,
    /// The number, in the order of sending, of the next message that leaves.
    next: u64,
    /// The number that was next when the window was last found full.
    full_at: Option<u64>,
    /// Messages before this one left under another window, and say nothing of what this one keeps
    /// waiting.
    settled_from: u64,
    /// Messages before this one left while the path was emptied to be looked at.
    looked_until: u64,
    /// Timeouts since the last round trip that was measured; each doubles the next.
    timeouts: u32,
}

/// What a sender has learned of its path so far.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PathView {
    /// The smoothed round trip, with what waits on the path; `None` before the first.
    pub round_trip: Option<Duration>,
    /// The shortest round trip.
    pub shortest: Option<Duration>,
    /// Bytes a second that arrive, when there is enough to be sent.
    pub rate: Option<f64>,
    /// Bytes of frames that may be under way.
    pub window: usize,
}

/// What happened in one round trip: from a message's sending until one that was sent later is
/// acknowledged.
#[derive(Clone, Copy, Default, Debug)]
struct Round {
    /// The first message of the round before, of this one's acknowledgements.
    before: u64,
    /// The first message whose acknowledgement ends the round.
    end: u64,
    /// The least that a message has taken on its way.
    way: Option<Duration>,
    /// While the window doubles: the same of the last few, and how many they are.
    recent: Option<Duration>,
    samples: u32,
    /// So many rounds in a row have shown twice the wait that is wanted.
    crowded: u32,
}

/// A message that has been acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acknowledged {
    /// Bytes of its frame.
    pub(super) bytes: usize,
    /// Its number in the order of sending.
    pub(super) order: u64,
    /// Its round trip, if it was sent once.
    pub(super) round_trip: Option<Duration>,
    /// Bytes that were under way when it left, its own included.
    pub(super) sent_into: usize,
    /// Bytes that are still under way.
    pub(super) under_way: usize,
}

impl Recovery {
    /// For a window that never gets larger than `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            round_trip: RoundTrip::default(),
            shortest: Shortest::default(),
            rate: DeliveryRate::default(),
            loss: LossShare::default(),
            window: CongestionWindow::new(limit),
            pacer: Pacer::default(),
            round: Round::default(),
            next: 0,
            full_at: None,
            settled_from: 0,
            looked_until: 0,
            timeouts: 0,
        }
    }

    // --- what happens ---

    /// A message leaves; `under_way` are the bytes before it. Returns its number.
    pub(super) fn handle_sent(&mut self, under_way: usize) -> u64 {
        if under_way == 0 {
            self.rate.handle_idle();
        }
        self.loss.handle_sent();
        self.next += 1;
        self.next - 1
    }

    /// A message of `bytes` has been given its turn, with which so many are unacknowledged. Returns
    /// when the next one may have its own, unless at once.
    pub(super) fn spend(
        &mut self,
        bytes: usize,
        unacknowledged: usize,
        now: Instant,
    ) -> Option<Instant> {
        if unacknowledged >= self.window() {
            self.full_at = Some(self.next);
        }
        let round_trip = self.round_trip.smoothed()?.as_secs_f64();
        let rate = self.gain() * self.window.bytes() as f64 / round_trip.max(SHORTEST_ROUND_TRIP);
        self.pacer.spend(bytes, rate, 2 * self.message_len(), now)
    }

    pub(super) fn handle_acknowledged(&mut self, message: Acknowledged, now: Instant) {
        self.rate.handle_acknowledged(message.bytes, now);
        if let Some(round_trip) = message.round_trip {
            self.timeouts = 0;
            self.round_trip.sample(round_trip);
            self.shortest.sample(round_trip, now);
            self.handle_way(self.way(round_trip, message.bytes, now), &message, now);
        }
        let was_full = self.was_full();
        // What shows no round trip shows no queue either.
        let grows = was_full && message.round_trip.is_some();
        self.window.handle_acknowledged(message.bytes, grows);
        if self.shortest.is_looking() && message.under_way <= self.window() {
            self.shortest.handle_emptied(self.next);
        }
        if message.order >= self.round.end {
            self.end_round(was_full, now);
        }
    }

    /// A message has taken this time on its way, beside that of its own length.
    fn handle_way(&mut self, way: Duration, message: &Acknowledged, now: Instant) {
        let least = |of: Option<Duration>| Some(of.map_or(way, |least| least.min(way)));
        let round = &mut self.round;
        (round.way, round.recent) = (least(round.way), least(round.recent));
        round.samples += 1;
        if self.window.is_starting() {
            self.look_for_queue(message.sent_into, now);
        }
        let doubt = self.own_time_in_doubt(message.bytes);
        if let Some(longer) = self.shortest.end_look(way, doubt, message.order, self.next, now) {
            (self.settled_from, self.looked_until) = (self.next, self.next);
            match self.sight(way, true, now) {
                Some(sight) if longer.is_zero() => self.window.handle_same_path(&sight),
                Some(sight) => self.window.handle_longer_path(&sight, longer),
                None => {}
            }
        }
    }

    /// Two messages that waited long tell as much as several that waited a little.
    fn look_for_queue(&mut self, sent_into: usize, now: Instant) {
        let Some(mut sight) = self.round.recent.and_then(|way| self.sight(way, true, now)) else {
            return;
        };
        let is_group = self.round.samples.is_multiple_of(SAMPLES);
        if !is_group {
            sight.queue /= 2;
        }
        // The time that a message itself takes is not known yet, and the first ones leave in a heap.
        if self.rate.get().is_none() {
            sight.queue = sight.queue.saturating_sub(sight.shortest / 2);
        }
        if self.round.samples >= 2
            && self.window.look_for_queue(&sight, sent_into, self.round.samples <= SAMPLES)
        {
            self.settled_from = self.next;
        }
        if is_group {
            self.round.recent = None;
        }
    }

    fn end_round(&mut self, was_full: bool, now: Instant) {
        let sight = self.round.way.and_then(|way| self.sight(way, was_full, now));
        self.rate.end_round(was_full, now);
        let mut crowded = 0;
        if let Some(sight) = sight
            && !self.shortest.is_looking()
            && self.round.before >= self.settled_from
        {
            self.window.end_round(&sight);
            if sight.queue > 2 * queue_target::queue_target(sight.rate) {
                crowded = self.round.crowded + 1;
            }
        }
        if self.loss.is_heavy()
            && let Some(sight) = sight
        {
            self.window.handle_heavy_loss(&sight);
            self.settled_from = self.next;
        }
        self.shortest.end_round(was_full, crowded >= CROWDED, now);
        let (before, end) = (self.round.end, self.next);
        self.round = Round { before, end, crowded, ..Round::default() };
    }

    /// A message counts as lost.
    pub(super) fn handle_lost(&mut self) {
        self.loss.handle_lost();
    }

    /// Nothing was acknowledged in time.
    pub(super) fn handle_timeout(&mut self) {
        self.timeouts = self.timeouts.saturating_add(1);
    }

    /// The service asks for a pause: it takes less than was sent.
    pub(super) fn handle_pause(&mut self) {
        self.timeouts = 0;
        self.window.handle_pause(self.message_len());
    }

    /// There is a new connection: what was measured in this round is of the old one.
    pub(super) fn handle_reconnected(&mut self) {
        self.timeouts = 0;
        self.shortest.handle_reconnected();
        self.rate.handle_idle();
        self.pacer = Pacer::default();
        self.round = Round { before: self.next, end: self.next, ..Round::default() };
    }

    // --- what follows ---

    /// As [`window`](Self::window), for what does not wait for the path to be looked at.
    pub(super) fn urgent_window(&self) -> usize {
        self.window.bytes()
    }

    /// Bytes of frames that may be under way.
    pub(super) fn window(&self) -> usize {
        let window = self.window.bytes();
        if !self.shortest.is_looking() {
            return window;
        }
        let (shortest, smoothed) = (self.shortest.get(), self.round_trip.smoothed());
        let (shortest, smoothed) = (shortest.unwrap_or_default(), smoothed.unwrap_or_default());
        let share = shortest.as_secs_f64() / smoothed.as_secs_f64().max(SHORTEST_ROUND_TRIP);
        // One message may always go.
        ((window as f64 * share.min(1.0) * LOWERED) as usize).max(1)
    }

    /// Bytes of the largest payload that leaves no later message waiting for long.
    pub(super) fn message_len(&self) -> usize {
        let least = if self.window.is_starting() { FIRST_MESSAGE } else { SMALLEST_MESSAGE };
        let Some(rate) = self.rate.get() else { return FIRST_MESSAGE };
        queue_target::message_len(rate).max(least)
    }

    /// How long the oldest message may stay unacknowledged.
    pub(super) fn timeout(&self) -> Duration {
        let extra = match self.rate.get() {
            Some(rate) => queue_target::queue_target(rate),
            None => FIRST_MESSAGE_TIME,
        };
        self.round_trip.timeout(self.timeouts, extra)
    }

    /// Whether time has run out twice, and no round trip was measured in between.
    pub(super) fn is_late_again(&self) -> bool {
        self.timeouts >= 2
    }

    /// How long the real agent waits before it looks whether its oldest message is to go again.
    pub(super) fn agents_timeout(&self) -> Duration {
        self.round_trip.agents_timeout()
    }

    /// What is known of the path.
    pub(super) fn view(&self) -> PathView {
        PathView {
            round_trip: self.round_trip.smoothed(),
            shortest: self.shortest.get(),
            rate: self.rate.get(),
            window: self.window(),
        }
    }

    /// The smoothed round trip; `None` before the first sample.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip.smoothed()
    }

    /// The shortest round trip; an acknowledgement that comes faster is of an earlier copy.
    pub(super) fn shortest(&self) -> Option<Duration> {
        self.shortest.get()
    }

    /// How long a message may be under way when one that was sent after it has been acknowledged.
    pub(super) fn overtaking_limit(&self) -> Duration {
        self.round_trip.overtaking_limit()
    }

    fn gain(&self) -> f64 {
        match self.window.is_starting() {
            true => STARTING_GAIN,
            // What fills the path anew must not come as a heap.
            false if self.round.before < self.looked_until => 1.0,
            false => GAIN,
        }
    }

    /// Whether the window has held something back in the round whose acknowledgements come now.
    fn was_full(&self) -> bool {
        self.full_at.is_some_and(|at| at >= self.round.before)
    }

    /// A round trip without the time that the message itself takes to pass the slowest place.
    fn way(&self, round_trip: Duration, bytes: usize, now: Instant) -> Duration {
        let rate = self.rate.peak().or_else(|| self.rate.running(now));
        let own = rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(bytes as f64 / rate));
        round_trip.saturating_sub(own)
    }

    /// How much longer a message of `bytes` may have taken itself than [`way`](Self::way) has it: the
    /// path may have been faster some time ago.
    fn own_time_in_doubt(&self, bytes: usize) -> Duration {
        let time = |rate: Option<f64>| rate.map_or(0.0, |rate| bytes as f64 / rate);
        Duration::from_secs_f64((time(self.rate.latest()) - time(self.rate.peak())).max(0.0))
    }

    /// What messages show that took at least this `way`; `None` before there is anything to compare.
    fn sight(&self, way: Duration, was_full: bool, now: Instant) -> Option<Sight> {
        let shortest = self.shortest.get()?;
        let rate = self.rate.get().or_else(|| self.rate.running(now))?;
        Some(Sight {
            shortest,
            queue: way.saturating_sub(shortest),
            rate,
            most: self.rate.most().unwrap_or(rate),
            peak: self.rate.peak().unwrap_or(rate),
            was_full,
            is_sudden: self.round.crowded == 0,
            message: self.message_len(),
        })
    }
}

/// Seconds; a shorter one is none that could be measured.
const SHORTEST_ROUND_TRIP: f64 = 1e-6;
/// How much faster than the window alone would have it messages may leave: enough for the window to
/// be what holds the sender back.
const GAIN: f64 = 1.25;
/// As many round trips as HyStart++ (RFC 9406) looks at.
const SAMPLES: u32 = 8;
/// The window doubles in the same round trip.
const STARTING_GAIN: f64 = 1.5;
/// Rounds with twice the wait that is wanted, after which the shortest round trip is in doubt.
const CROWDED: u32 = 3;
/// What is left under way to see the empty path, of what it holds.
const LOWERED: f64 = 0.75;
/// As long as nothing is known.
const FIRST_MESSAGE: usize = 4 << 10;
/// The time that takes on a line of 16 KB/s.
const FIRST_MESSAGE_TIME: Duration = Duration::from_millis(256);
/// The reference client's, of which an eighth is framing already.
const SMALLEST_MESSAGE: usize = 1 << 10;

#[cfg(test)]
mod tests;

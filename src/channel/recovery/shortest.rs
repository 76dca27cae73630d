//! The shortest round trip: what the path takes when nothing waits on it.
//!
//! The sender's own window keeps a little waiting, so it would never again see the empty path, and a
//! path that has become longer would look like one that is full for ever. So the shortest round trip
//! has an age. When it has not been seen for a while, or what waits does not get less though the
//! window does, the window is lowered for one round trip, which empties the path, and what is
//! measured then counts from there on.

use std::time::{Duration, Instant};

#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Shortest {
    value: Option<Duration>,
    seen: Option<Instant>,
    /// Round trips since then, or of the look.
    rounds: u32,
    /// It is of an earlier connection.
    is_old: bool,
    look: Look,
}

/// How far looking at the empty path has come.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Look {
    /// It is not looked at.
    #[default]
    No,
    /// What is under way gets less, down to the lowered window.
    Emptying,
    /// Messages from this one on, counted in the order of sending, find little under way. What the
    /// first of them took, at the least, and the first message that left after it was acknowledged:
    /// up to then the little may all wait at the slowest place.
    Measuring { from: u64, least: Option<(Duration, u64)> },
}

impl Shortest {
    /// What a message has taken.
    pub(super) fn sample(&mut self, round_trip: Duration, now: Instant) {
        let old = std::mem::take(&mut self.is_old);
        let value = self.value.filter(|_| !old).unwrap_or(Duration::MAX);
        if round_trip.saturating_sub(value / JITTER) <= value {
            self.value = Some(round_trip.min(value));
            self.seen = Some(now);
            self.rounds = 0;
        }
    }

    /// `None` before the first sample.
    pub(super) fn get(&self) -> Option<Duration> {
        self.value
    }

    /// There is a new connection, whose way may be longer.
    pub(super) fn handle_reconnected(&mut self) {
        self.is_old = true;
        self.look = Look::No;
    }

    /// A round trip has ended, in which the window was full or not; `is_in_doubt` when what waits
    /// does not get less. Whether the empty path is to be looked at now.
    pub(super) fn end_round(&mut self, is_full: bool, is_in_doubt: bool, now: Instant) -> bool {
        self.rounds = self.rounds.saturating_add(1);
        if self.look != Look::No {
            // Nothing can be measured, as where acknowledgements wait unread: another time.
            if self.rounds >= LONGEST_LOOK {
                (self.look, self.seen, self.rounds) = (Look::No, Some(now), 0);
            }
            return false;
        }
        let age = self.seen.map_or(Duration::ZERO, |seen| now.saturating_duration_since(seen));
        let is_aged = self.rounds >= AGED_ROUNDS && age >= AGED;
        let looks = is_full && (is_aged || (is_in_doubt && self.rounds >= DOUBTED_ROUNDS));
        if looks {
            (self.look, self.rounds) = (Look::Emptying, 0);
        }
        looks
    }

    /// The path is being emptied, or the empty path measured.
    pub(super) fn is_looking(&self) -> bool {
        self.look != Look::No
    }

    /// What is under way is down to the lowered window; the next message has the number `next`.
    pub(super) fn handle_emptied(&mut self, next: u64) {
        if self.look == Look::Emptying {
            self.look = Look::Measuring { from: next, least: None };
        }
    }

    /// A message that was sent as number `order` has taken this time on its way, without that of its
    /// own length, or longer by `doubt`; the next one has the number `next`. Once messages have met an
    /// empty path, the look is over: by how much the path has turned out to be longer than it was.
    pub(super) fn end_look(
        &mut self,
        way: Duration,
        doubt: Duration,
        order: u64,
        next: u64,
        now: Instant,
    ) -> Option<Duration> {
        let Look::Measuring { from, least } = &mut self.look else { return None };
        if order < *from {
            return None;
        }
        let (seen, until) = least.map_or((way, next), |(seen, until)| (seen.min(way), until));
        if order < until {
            *least = Some((seen, until));
            return None;
        }
        let longer = self.value.map_or(Duration::ZERO, |value| {
            let longer = seen.saturating_sub(value + doubt);
            if longer > value / JITTER + MIN_JITTER { longer } else { Duration::ZERO }
        });
        *self = Self { value: Some(seen), seen: Some(now), ..Self::default() };
        Some(longer)
    }
}

/// A round trip that is longer by one part of so many is still the shortest one, seen again.
const JITTER: u32 = 16;
/// Less is no difference.
const MIN_JITTER: Duration = Duration::from_millis(1);
/// When the shortest round trip has not been seen for so long, and so many round trips, it is
/// looked for. As often as in BBR.
const AGED: Duration = Duration::from_secs(10);
const AGED_ROUNDS: u32 = 32;
const DOUBTED_ROUNDS: u32 = 3;
/// Round trips of a look, of which two are enough where something can be measured.
const LONGEST_LOOK: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// One that has been seen at the start and not since, for so many round trips.
    fn aged(rounds: u32, now: Instant) -> Shortest {
        let mut shortest = Shortest::default();
        shortest.sample(ms(20), now);
        for _ in 0..rounds {
            assert!(!shortest.end_round(true, false, now));
        }
        shortest
    }

    #[test]
    fn is_the_shortest_until_there_is_a_new_connection() {
        let now = Instant::now();
        let mut shortest = Shortest::default();
        for sample in [30, 20, 50] {
            shortest.sample(ms(sample), now);
        }
        assert_eq!(shortest.get(), Some(ms(20)));
        shortest.handle_reconnected();
        assert_eq!(shortest.get(), Some(ms(20)), "the best guess so far");
        shortest.sample(ms(120), now);
        shortest.sample(ms(150), now);
        assert_eq!(shortest.get(), Some(ms(120)));
    }

    #[test]
    fn is_looked_for_when_it_has_not_been_seen_for_long() {
        let start = Instant::now();
        let later = start + AGED;
        assert!(!aged(AGED_ROUNDS, start).end_round(true, false, start + AGED - ms(1)));
        assert!(!aged(3, start).end_round(true, false, later), "few round trips in that time");
        assert!(!aged(AGED_ROUNDS, start).end_round(false, false, later), "nothing waits");
        let mut shortest = aged(AGED_ROUNDS, start);
        assert!(shortest.end_round(true, false, later));
        // Messages that were sent into a full path say nothing.
        shortest.handle_emptied(100);
        assert_eq!(shortest.end_look(ms(90), ms(0), 99, 100, later), None);
        assert_eq!(shortest.end_look(ms(30), ms(0), 100, 102, later), None, "behind what was left");
        assert_eq!(shortest.end_look(ms(20), ms(0), 101, 103, later), None);
        assert_eq!(shortest.end_look(ms(21), ms(0), 102, 104, later), Some(Duration::ZERO));
        assert_eq!(shortest.get(), Some(ms(20)));
        assert!(!shortest.is_looking());
    }

    #[test]
    fn a_doubt_is_looked_into_at_once_and_a_longer_path_is_told() {
        let start = Instant::now();
        let mut shortest = aged(DOUBTED_ROUNDS, start);
        assert!(shortest.end_round(true, true, start));
        shortest.handle_emptied(5);
        assert_eq!(shortest.end_look(ms(100), ms(0), 5, 6, start), None);
        assert_eq!(shortest.end_look(ms(100), ms(10), 6, 7, start), Some(ms(70)));
        assert_eq!(shortest.get(), Some(ms(100)));
    }

    #[test]
    fn a_look_that_shows_nothing_is_given_up() {
        let start = Instant::now();
        let mut shortest = aged(DOUBTED_ROUNDS, start);
        assert!(shortest.end_round(true, true, start));
        let rounds = (1..).find(|_| {
            shortest.end_round(true, true, start);
            !shortest.is_looking()
        });
        assert_eq!(rounds, Some(LONGEST_LOOK));
        assert_eq!(shortest.get(), Some(ms(20)), "as far as is known");
        assert!(!shortest.end_round(true, true, start), "and not looked for again at once");
    }

    #[test]
    fn seen_again_with_a_little_jitter_it_does_not_age() {
        let start = Instant::now();
        let mut shortest = aged(AGED_ROUNDS, start);
        shortest.sample(ms(21), start + AGED);
        assert_eq!(shortest.get(), Some(ms(20)));
        assert!(!shortest.end_round(true, false, start + AGED));
    }
}

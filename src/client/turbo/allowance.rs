//! How much may be under way toward here, of all streams together.
//!
//! The agent sends a command's output as fast as the service takes it: what the streams may have under way waits on a
//! line that is slower, and what somebody asks for meanwhile waits behind it. So the companion is asked for a word
//! behind what has come. One that is late has waited with the output:
//!
//! ```text
//!   waited = now - asked - the shortest such time           waited < SHORT   twice as much, if it was used
//!                                                           waited > LONG    half as much
//! ```

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Allowance {
    bytes: usize,
    number: u32,
    asked: Option<Instant>,
    answered: Option<Instant>,
    /// What has come since the question, or since its answer.
    arrived: usize,
    shortest: Option<Duration>,
}

impl Default for Allowance {
    fn default() -> Self {
        let (asked, answered, shortest) = (None, None, None);
        Self { bytes: FIRST, number: NUMBERS, asked, answered, arrived: 0, shortest }
    }
}

impl Allowance {
    /// Bytes that may be under way.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A stream begins. What the companion is to be asked before anything waits, if it was not yet.
    pub(super) fn note_beginning(&mut self, now: Instant) -> Option<u32> {
        (self.shortest.is_none() && self.asked.is_none()).then(|| self.ask(now))
    }

    /// So many bytes have come. What the companion is to be asked, if it is time.
    pub(super) fn note_arrival(&mut self, len: usize, now: Instant) -> Option<u32> {
        self.arrived = self.arrived.saturating_add(len);
        let is_early = self.answered.is_some_and(|last| now < last + PAUSE) && self.bytes == MOST;
        let is_time = self.asked.is_none() && self.arrived >= self.bytes / 8 && !is_early;
        is_time.then(|| self.ask(now))
    }

    /// The answer has come. It may be one to somebody else's question.
    pub(super) fn note_answer(&mut self, number: u32, now: Instant) {
        let Some(asked) = self.asked.take_if(|_| number == self.number) else { return };
        let took = now.saturating_duration_since(asked);
        let shortest = self.shortest.map_or(took, |shortest| shortest.min(took));
        let waited = took - shortest;
        self.shortest = Some(shortest);
        if waited > LONG {
            self.bytes = (self.bytes / 2).max(LEAST);
        } else if waited < SHORT && self.arrived >= self.bytes / 4 {
            self.bytes = (self.bytes * 2).min(MOST);
        }
        (self.answered, self.arrived) = (Some(now), 0);
    }

    fn ask(&mut self, now: Instant) -> u32 {
        self.number = NUMBERS | self.number.wrapping_add(1);
        (self.asked, self.arrived) = (Some(now), 0);
        self.number
    }
}

/// On a line of 60 KB/s a second's worth.
const FIRST: usize = 128 << 10;
const LEAST: usize = 64 << 10;
/// A stream alone has half of it.
pub(super) const MOST: usize = 16 << 20;
const SHORT: Duration = Duration::from_millis(125);
const LONG: Duration = Duration::from_millis(500);
/// Between two questions when all is as it may be.
const PAUSE: Duration = Duration::from_millis(250);
/// Those of [`Pulse`](super::pulse::Pulse) are below.
const NUMBERS: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;

    /// A line that carries so many bytes a second, on which always as much is under way as may be.
    fn settled(rate: f64, round_trip: Duration, seconds: u64) -> usize {
        let mut allowance = Allowance::default();
        let (start, mut now) = (Instant::now(), Instant::now());
        let first = allowance.note_beginning(now).unwrap();
        now += round_trip;
        allowance.note_answer(first, now);
        while now < start + Duration::from_secs(seconds) {
            // A stream alone has half of it.
            let bytes = allowance.bytes() / 2;
            let takes = Duration::from_secs_f64(bytes as f64 / rate).max(round_trip);
            let number = allowance.note_arrival(bytes, now);
            now += takes;
            allowance.note_arrival(bytes, now);
            if let Some(number) = number {
                allowance.note_answer(number, now);
            }
        }
        allowance.bytes() / 2
    }

    #[test]
    fn little_waits_on_a_slow_line_and_a_fast_one_is_filled() {
        let ms = Duration::from_millis;
        assert_eq!(settled(60e3, ms(200), 20), LEAST / 2);
        for (rate, round_trip) in [(1e6, 100), (1e6, 600), (20e6, 50), (20e6, 200)] {
            let bytes = settled(rate, ms(round_trip), 20) as f64;
            let path = rate * round_trip as f64 / 1e3;
            assert!(bytes >= path, "{rate} {round_trip}: {bytes} of {path}");
            assert!((bytes - path) / rate < 0.6, "{rate} {round_trip}: {bytes}");
        }
        assert_eq!(settled(200e6, ms(1), 5), MOST / 2);
    }

    #[test]
    fn one_question_is_asked_at_a_time_and_others_answers_mean_nothing() {
        let now = Instant::now();
        let mut allowance = Allowance::default();
        let number = allowance.note_beginning(now).unwrap();
        assert_eq!(allowance.note_beginning(now), None);
        assert_eq!(allowance.note_arrival(FIRST, now), None);
        allowance.note_answer(1, now);
        assert_eq!(allowance.note_arrival(FIRST, now), None);
        allowance.note_answer(number, now);
        assert_eq!(allowance.bytes(), 2 * FIRST);
        assert_eq!(allowance.note_arrival(1, now), None, "nothing to speak of");
        assert!(allowance.note_arrival(FIRST, now).is_some());
    }

    #[test]
    fn what_is_not_used_does_not_grow() {
        let now = Instant::now();
        let mut allowance = Allowance::default();
        let number = allowance.note_beginning(now).unwrap();
        allowance.note_answer(number, now);
        assert_eq!(allowance.bytes(), FIRST);
    }
}

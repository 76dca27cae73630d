//! How many bytes a second arrive.

use std::time::{Duration, Instant};

/// Measured from acknowledgement to acknowledgement over whole round trips, which neither bursts
/// nor acknowledgements that come in bunches can make faster than the path is.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct DeliveryRate {
    /// Bytes a second, smoothed.
    value: Option<f64>,
    /// Those of the last full round.
    latest: Option<f64>,
    /// The most of the last [`REMEMBERED`] measures or fewer, and of as many before them.
    peaks: [f64; 2],
    measures: u32,
    /// When the measure began, and what has been acknowledged since.
    since: Option<Instant>,
    bytes: usize,
    /// In a round of it the sender had little to send.
    had_little: bool,
}

impl DeliveryRate {
    pub(super) fn handle_acknowledged(&mut self, bytes: usize, now: Instant) {
        match self.since {
            None => self.since = Some(now),
            Some(_) => self.bytes += bytes,
        }
    }

    /// A round trip has ended with the last acknowledgement. One in which the sender had little to
    /// send says only what the path carries at least.
    pub(super) fn end_round(&mut self, is_full: bool, now: Instant) {
        self.had_little |= !is_full;
        let Some(measured) = self.measured(MEASURE, now) else { return };
        let is_full = !self.had_little;
        self.remember(measured);
        self.latest = Some(measured).filter(|_| is_full).or(self.latest);
        self.value = Some(match self.value {
            Some(value) if measured > value => f64::midpoint(value, measured),
            Some(value) if is_full => (value * 3.0 + measured) / 4.0,
            None if is_full => measured,
            _ => return self.restart(Some(now)),
        });
        self.restart(Some(now));
    }

    fn remember(&mut self, measured: f64) {
        if self.measures == REMEMBERED {
            (self.measures, self.peaks) = (0, [0.0, self.peaks[0]]);
        }
        self.measures += 1;
        // A bunch of acknowledgements that were held up somewhere is no rate.
        let most = self.value.map_or(measured, |value| measured.min(2.0 * value));
        self.peaks[0] = self.peaks[0].max(most);
    }

    /// The most that the path has carried in a while: what its slowest place can do, when it is not
    /// shared and the window does not hold the sender back.
    pub(super) fn peak(&self) -> Option<f64> {
        Some(self.value?.max(self.peaks[0]).max(self.peaks[1]))
    }

    /// What the last full round has shown.
    pub(super) fn latest(&self) -> Option<f64> {
        self.latest
    }

    /// What the round has shown so far.
    pub(super) fn running(&self, now: Instant) -> Option<f64> {
        self.measured(SHORTEST_MEASURE, now)
    }

    fn measured(&self, least: Duration, now: Instant) -> Option<f64> {
        let elapsed = now.saturating_duration_since(self.since?);
        let is_enough = elapsed >= least && self.bytes > 0;
        is_enough.then(|| self.bytes as f64 / elapsed.as_secs_f64())
    }

    /// The sender was silent: what comes next is measured anew.
    pub(super) fn handle_idle(&mut self) {
        self.restart(None);
    }

    fn restart(&mut self, since: Option<Instant>) {
        (self.since, self.bytes, self.had_little) = (since, 0, false);
    }

    /// What the path has carried at the most of late.
    pub(super) fn most(&self) -> Option<f64> {
        Some(self.value?.max(self.latest.unwrap_or_default()))
    }

    /// Bytes a second; `None` before anything was measured.
    pub(super) fn get(&self) -> Option<f64> {
        self.value
    }
}

/// Where round trips are shorter, several of them make one measure: acknowledgements come in bunches
/// of what a task does before another one has its turn.
const MEASURE: Duration = Duration::from_millis(20);
const REMEMBERED: u32 = 16;
/// Less says nothing of a rate.
const SHORTEST_MEASURE: Duration = Duration::from_micros(100);

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of 100 ms with so many acknowledged bytes each.
    fn rate(rounds: &[(usize, bool)]) -> DeliveryRate {
        let (mut rate, mut now) = (DeliveryRate::default(), Instant::now());
        rate.handle_acknowledged(1, now);
        for (bytes, is_full) in rounds {
            now += Duration::from_millis(100);
            rate.handle_acknowledged(*bytes, now);
            rate.end_round(*is_full, now);
        }
        rate
    }

    #[test]
    fn is_that_of_whole_round_trips() {
        assert_eq!(rate(&[]).get(), None);
        assert_eq!(rate(&[(6000, true)]).get(), Some(60_000.0));
        assert_eq!(rate(&[(6000, true), (2000, true)]).get(), Some(50_000.0));
        assert_eq!(rate(&[(6000, true), (10_000, true)]).get(), Some(80_000.0));
        assert_eq!(rate(&[(6000, true), (10_000, true)]).most(), Some(100_000.0));
    }

    #[test]
    fn the_peak_is_remembered_for_a_while() {
        let after = |rounds| {
            let low = std::iter::repeat_n((1000, true), rounds);
            rate(&[(6000, true)].into_iter().chain(low).collect::<Vec<_>>()).peak()
        };
        assert_eq!(after(16), Some(60_000.0));
        assert!(after(33) < Some(11_000.0));
        assert_eq!(rate(&[(6000, true), (99_000, true)]).peaks[0], 120_000.0, "a bunch, no rate");
    }

    #[test]
    fn a_sender_with_little_to_send_says_only_what_the_path_carries_at_least() {
        assert_eq!(rate(&[(10, false)]).get(), None);
        assert_eq!(rate(&[(6000, true), (10, false)]).get(), Some(60_000.0));
        assert_eq!(rate(&[(6000, true), (10_000, false)]).get(), Some(80_000.0));
    }

    #[test]
    fn a_silence_is_not_counted() {
        let mut rate = rate(&[(6000, true)]);
        rate.handle_idle();
        let now = Instant::now() + Duration::from_secs(60);
        rate.handle_acknowledged(6000, now);
        rate.end_round(true, now);
        assert_eq!(rate.get(), Some(60_000.0));
    }
}

//! Round-trip estimate and retransmission timeout, after RFC 6298.

use std::time::Duration;

/// The estimate of one channel.
///
/// Samples come only from messages that were sent once (Karn's rule): the caller sees to that.
#[derive(Clone, Copy, Default, Debug)]
pub(in crate::channel) struct RoundTrip {
    smoothed: Option<Duration>,
    variation: Duration,
    latest: Option<Duration>,
}

impl RoundTrip {
    pub(super) fn sample(&mut self, round_trip: Duration) {
        self.latest = Some(round_trip);
        match self.smoothed {
            None => {
                self.smoothed = Some(round_trip);
                self.variation = round_trip / 2;
            }
            Some(smoothed) => {
                self.variation = (self.variation * 3 + smoothed.abs_diff(round_trip)) / 4;
                self.smoothed = Some((smoothed * 7 + round_trip) / 8);
            }
        }
    }

    /// The smoothed round trip; `None` before the first sample.
    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    /// How long a message may stay unacknowledged, after `timeouts` in a row. `extra` is what the
    /// samples so far may not have shown yet.
    pub(super) fn timeout(&self, timeouts: u32, extra: Duration) -> Duration {
        // A handshake is a few small messages, which repeats do not hold up.
        let Some(smoothed) = self.smoothed else {
            return if timeouts == 0 { INITIAL_TIMEOUT } else { REPEATED_TIMEOUT };
        };
        let base = smoothed + (self.variation * 4).max(GRANULARITY) + extra;
        let base = base.clamp(MIN_TIMEOUT, MAX_TIMEOUT);
        let doubled = base.saturating_mul(1 << timeouts.min(MAX_DOUBLINGS));
        doubled.min(MAX_DOUBLED.max(base))
    }

    /// The real agent's timeout, with the bounds that it has.
    pub(super) fn agents_timeout(&self) -> Duration {
        let measured = |smoothed| smoothed + (self.variation * 4).max(GRANULARITY);
        self.smoothed.map_or(AGENTS_TIMEOUT, measured).clamp(MIN_TIMEOUT, AGENTS_MAX_TIMEOUT)
    }

    /// How much later than one that was sent after it a message may be acknowledged before it
    /// counts as lost: the last round trip, and a quarter for reordering, as in RACK (RFC 8985).
    pub(super) fn overtaking_limit(&self) -> Duration {
        let smoothed = self.smoothed.unwrap_or(INITIAL_TIMEOUT);
        self.latest.unwrap_or(INITIAL_TIMEOUT) + (smoothed / 4).max(MIN_REORDERING_WINDOW)
    }
}

/// As RFC 6298 has it: a path around the world through a satellite is no timeout yet.
const INITIAL_TIMEOUT: Duration = Duration::from_secs(1);
/// What is lost once and again must not make the handshake too late.
const REPEATED_TIMEOUT: Duration = Duration::from_millis(500);
const GRANULARITY: Duration = Duration::from_millis(10);
/// The agent acknowledges after it has written to its target: a target that pauses is no loss.
const MIN_TIMEOUT: Duration = Duration::from_millis(100);
/// Longer than any path's round trip, with what waits on it. A target that has not read for minutes
/// makes samples of minutes, and the next loss must not take that long to be noticed.
const MAX_TIMEOUT: Duration = Duration::from_secs(10);
/// Before the first sample, and at the most. (Measured.)
const AGENTS_TIMEOUT: Duration = Duration::from_millis(200);
const AGENTS_MAX_TIMEOUT: Duration = Duration::from_secs(1);
/// A message that asks every two seconds whether anything comes back costs the slowest line little,
/// since it has no more bytes than the line carries in a moment.
const MAX_DOUBLED: Duration = Duration::from_secs(2);
const MAX_DOUBLINGS: u32 = 5;
const MIN_REORDERING_WINDOW: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn timeout(round_trip: &RoundTrip, timeouts: u32) -> Duration {
        round_trip.timeout(timeouts, Duration::ZERO)
    }

    #[test]
    fn begins_with_the_initial_timeout() {
        assert_eq!(timeout(&RoundTrip::default(), 0), ms(1000));
        assert_eq!(RoundTrip::default().smoothed(), None);
    }

    #[test]
    fn follows_the_formulas_of_rfc_6298() {
        let mut round_trip = RoundTrip::default();
        round_trip.sample(ms(200));
        assert_eq!(timeout(&round_trip, 0), ms(200 + 4 * 100));
        round_trip.sample(ms(120));
        // rttvar = 3/4 * 100 + 1/4 * 80 = 95; srtt = 7/8 * 200 + 1/8 * 120 = 190
        assert_eq!(round_trip.smoothed(), Some(ms(190)));
        assert_eq!(timeout(&round_trip, 0), ms(190 + 4 * 95));
        assert_eq!(round_trip.overtaking_limit(), ms(120) + ms(190) / 4);
    }

    #[test]
    fn a_long_round_trip_is_no_timeout() {
        let mut round_trip = RoundTrip::default();
        for _ in 0..50 {
            round_trip.sample(ms(2500));
        }
        assert!(timeout(&round_trip, 0) > ms(2500));
    }

    #[test]
    fn timeout_stays_within_its_bounds_and_doubles() {
        let mut round_trip = RoundTrip::default();
        round_trip.sample(Duration::from_micros(50));
        assert_eq!(timeout(&round_trip, 0), ms(100));
        assert_eq!(timeout(&round_trip, 1), ms(200));
        assert_eq!(timeout(&round_trip, 40), ms(2000));
        round_trip.sample(Duration::from_secs(3600));
        assert_eq!([0, 1].map(|n| timeout(&round_trip, n)), [ms(10_000); 2]);
    }
}

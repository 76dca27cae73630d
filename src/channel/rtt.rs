//! Round-trip estimate and retransmission timeout, after RFC 6298.

use std::time::Duration;

/// The estimate of one channel.
///
/// Samples come only from messages that were sent once (Karn's rule): the caller sees to that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rtt {
    smoothed: Option<Duration>,
    variation: Duration,
    min: Duration,
    /// The shortest one is of an earlier connection.
    min_is_old: bool,
    latest: Duration,
}

impl Rtt {
    pub(super) fn new() -> Self {
        Self {
            smoothed: None,
            variation: Duration::ZERO,
            min: Duration::MAX,
            min_is_old: false,
            latest: INITIAL_RTO,
        }
    }

    pub(super) fn sample(&mut self, rtt: Duration) {
        self.latest = rtt;
        let old = std::mem::take(&mut self.min_is_old);
        self.min = if old { rtt } else { self.min.min(rtt) };
        match self.smoothed {
            None => {
                self.smoothed = Some(rtt);
                self.variation = rtt / 2;
            }
            Some(smoothed) => {
                self.variation = (self.variation * 3 + smoothed.abs_diff(rtt)) / 4;
                self.smoothed = Some((smoothed * 7 + rtt) / 8);
            }
        }
    }

    /// There is a new connection, whose way may be longer.
    pub(super) fn handle_reconnected(&mut self) {
        self.min_is_old = true;
    }

    /// The smoothed round trip; `None` before the first sample.
    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    /// The shortest round trip of this connection, or of the last until one is measured; an acknowledgement that comes faster is of an earlier copy.
    pub(super) fn min(&self) -> Duration {
        self.min
    }

    /// The last round trip measured.
    pub(super) fn latest(&self) -> Duration {
        self.latest
    }

    /// How long the oldest message may stay unacknowledged, after `timeouts` in a row.
    pub(super) fn timeout(&self, timeouts: u32) -> Duration {
        let rto = match self.smoothed {
            None => INITIAL_RTO,
            Some(smoothed) => smoothed + (self.variation * 4).max(GRANULARITY),
        };
        (rto.clamp(MIN_RTO, MAX_RTO) * (1 << timeouts.min(MAX_DOUBLINGS))).min(MAX_RTO)
    }

    /// How far messages may overtake each other before one counts as lost.
    pub(super) fn reordering_window(&self) -> Duration {
        (self.smoothed.unwrap_or(INITIAL_RTO) / 4).max(MIN_REORDERING_WINDOW)
    }
}

/// The reference client's first timeout.
const INITIAL_RTO: Duration = Duration::from_millis(200);
const GRANULARITY: Duration = Duration::from_millis(10);
/// The agent acknowledges after it has written to its target: a target that pauses is no loss.
const MIN_RTO: Duration = Duration::from_millis(100);
/// The reference's upper bound. A session is of use only while it moves, and the agent leaves
/// early data unacknowledged until its target connection stands.
const MAX_RTO: Duration = Duration::from_secs(1);
const MAX_DOUBLINGS: u32 = 4;
const MIN_REORDERING_WINDOW: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn begins_with_the_initial_timeout() {
        assert_eq!(Rtt::new().timeout(0), ms(200));
        assert_eq!(Rtt::new().smoothed(), None);
    }

    #[test]
    fn follows_the_formulas_of_rfc_6298() {
        let mut rtt = Rtt::new();
        rtt.sample(ms(200));
        assert_eq!(rtt.timeout(0), ms(200 + 4 * 100));
        rtt.sample(ms(120));
        // rttvar = 3/4 * 100 + 1/4 * 80 = 95; srtt = 7/8 * 200 + 1/8 * 120 = 190
        assert_eq!(rtt.smoothed(), Some(ms(190)));
        assert_eq!(rtt.timeout(0), ms(190 + 4 * 95));
        assert_eq!((rtt.min(), rtt.latest()), (ms(120), ms(120)));
    }

    #[test]
    fn a_new_connection_has_a_shortest_round_trip_of_its_own() {
        let mut rtt = Rtt::new();
        rtt.sample(ms(20));
        rtt.handle_reconnected();
        assert_eq!(rtt.min(), ms(20), "the best guess so far");
        rtt.sample(ms(120));
        rtt.sample(ms(150));
        assert_eq!(rtt.min(), ms(120));
    }

    #[test]
    fn timeout_stays_within_its_bounds_and_doubles() {
        let mut rtt = Rtt::new();
        rtt.sample(Duration::from_micros(50));
        assert_eq!(rtt.timeout(0), ms(100));
        assert_eq!(rtt.timeout(1), ms(200));
        assert_eq!(rtt.timeout(40), ms(1000));
        rtt.sample(Duration::from_secs(3600));
        assert_eq!(rtt.timeout(0), ms(1000));
    }
}

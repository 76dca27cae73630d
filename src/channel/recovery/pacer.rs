//! Messages leave one after the other and not in heaps, so that a window that opens at once does not
//! wait at the slowest place at once.

use std::time::{Duration, Instant};

/// A token bucket in bytes. It may be overdrawn by one message.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Pacer {
    allowance: f64,
    filled: Option<Instant>,
}

impl Pacer {
    /// A message of `bytes` leaves, at `rate` bytes a second. Returns when the next one may.
    pub(super) fn spend(
        &mut self,
        bytes: usize,
        rate: f64,
        least_burst: usize,
        now: Instant,
    ) -> Option<Instant> {
        let burst = (rate * BURST.as_secs_f64()).max(least_burst as f64);
        self.allowance = match self.filled {
            None => burst,
            Some(filled) => {
                let since = now.saturating_duration_since(filled).as_secs_f64();
                (self.allowance + since * rate).min(burst)
            }
        };
        self.filled = Some(now);
        self.allowance -= bytes as f64;
        let wait = (-self.allowance / rate).clamp(0.0, LONGEST_WAIT.as_secs_f64());
        (self.allowance < 0.0).then(|| now + Duration::from_secs_f64(wait))
    }
}

/// More than timers are late as a rule, so that their lateness costs no rate.
const BURST: Duration = Duration::from_millis(4);

/// However slow the path is, the next message is tried.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_whatever_the_timers_do() {
        let start = Instant::now();
        let (mut pacer, mut now, mut sent) = (Pacer::default(), start, 0);
        while now < start + Duration::from_secs(10) {
            sent += 1000;
            if let Some(next) = pacer.spend(1000, 1e6, 2000, now) {
                now = next + Duration::from_millis(1);
            }
        }
        assert!((9_900_000..10_100_000).contains(&sent), "{sent} bytes in 10 s");
    }

    #[test]
    fn silence_saves_no_more_than_a_burst() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        pacer.spend(1, 1e6, 2000, start);
        let later = start + Duration::from_secs(60);
        let sent = (1..).find(|_| pacer.spend(1000, 1e6, 2000, later).is_some());
        assert_eq!(sent, Some(5), "4 ms at 1 MB/s, and the one that overdraws");
    }
}

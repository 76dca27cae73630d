//! How long messages are to wait at the slowest place of the path.
//!
//! Some must wait, or the path runs dry between two acknowledgements; what is typed waits behind
//! them. The time gets shorter the faster the path is:
//!
//! ```text
//!   2 ms + 34 ms * sqrt(60 KB/s / rate)      16 KB/s: 67 ms, 60 KB/s: 36 ms, 1.25 MB/s: 9 ms
//! ```
//!
//! Senders that share a path see the same wait, and have a common share of it only if each has the
//! same rate: the slower one wants a longer wait, and takes more, until they are equal. With one
//! time for all any division would be stable.

use std::time::Duration;

/// How many bytes one message may have: three quarters of what the time carries. What is typed then waits for
/// one message that is on its way and one that waits.
pub(super) fn message_len(rate: f64) -> usize {
    (rate * queue_target(rate).as_secs_f64() * 0.75) as usize
}

/// The time at a rate in bytes a second.
pub(super) fn queue_target(rate: f64) -> Duration {
    let growing = GROWING.as_secs_f64() * (REFERENCE / rate.max(1.0)).sqrt();
    FIXED + Duration::from_secs_f64(growing).min(LONGEST)
}

const FIXED: Duration = Duration::from_millis(2);
const GROWING: Duration = Duration::from_millis(34);
/// Bytes a second at which it has this length: the slowest line that people still type on.
const REFERENCE: f64 = 60_000.0;
const LONGEST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_the_longer() {
        let ms = |rate: f64| queue_target(rate).as_millis();
        assert_eq!([ms(0.0), ms(16e3), ms(60e3), ms(1.25e6), ms(125e6)], [102, 67, 36, 9, 2]);
        assert_eq!([16e3, 60e3, 1.25e6].map(message_len), [814, 1620, 8858]);
    }
}

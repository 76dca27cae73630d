//! Times as people and programs are told them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// To the second, as of RFC 3339; every time can be shown.
pub(super) fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let whole = UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_SECOND));
    humantime::format_rfc3339_seconds(whole).to_string()
}

/// The time of the day.
#[expect(clippy::disallowed_methods, reason = "people and programs are told when it was")]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

/// Of the year 9999. There is no way to write what comes behind it.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_can_be_shown() {
        let at = |seconds| utc(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(LAST_SECOND + 86_400), "9999-12-31T23:59:59Z");
    }
}

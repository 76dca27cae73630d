//! Times as people and programs are told them.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::ZonedDateTime;
#[cfg(feature = "aws")]
use jiff::{Timestamp, tz::TimeZone};

/// To the second, as of RFC 3339; every time can be shown.
pub(super) fn utc(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(of_seconds(seconds(time))).to_string()
}

/// In seconds since 1970.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The time of so many seconds since 1970, as far as it can be shown.
pub(super) fn of_seconds(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_SECOND))
}

/// Something has begun that may go on for long: lines that are said from now on have a time.
pub(super) fn begin() {
    HAS_BEGUN.store(true, Ordering::Relaxed);
}

/// What stands before a line: its time where the user is, or nothing before anything has begun.
pub(super) fn of_line() -> String {
    if HAS_BEGUN.load(Ordering::Relaxed) { of_day() } else { String::new() }
}

/// The time now, where the user is, and a blank.
pub(super) fn of_day() -> String {
    ZonedDateTime::now().strftime("%H:%M:%S ").to_string()
}

/// When that is where the user is, and how long it is until then, in whole minutes.
#[cfg(feature = "aws")]
pub(super) fn until(time: SystemTime, now: SystemTime, zone: TimeZone) -> String {
    let left = time.duration_since(now).unwrap_or_default().as_secs();
    let left = humantime::format_duration(Duration::from_secs(left.div_ceil(60) * 60)).to_string();
    match Timestamp::try_from(time) {
        Ok(at) => format!("{}, for {left}", at.to_zoned_datetime(zone).strftime("%Y-%m-%d %H:%M")),
        Err(_) => format!("for {left}"),
    }
}

/// When that was where the user is: today's time, or with the day before it.
#[cfg(feature = "aws")]
pub(super) fn clock(time: SystemTime, now: SystemTime, zone: TimeZone) -> String {
    let local = |time| Some(Timestamp::try_from(time).ok()?.to_zoned_datetime(zone.clone()));
    match (local(time), local(now)) {
        (Some(at), Some(now)) if at.date() == now.date() => at.strftime("%H:%M").to_string(),
        (Some(at), _) => at.strftime("%m-%d %H:%M").to_string(),
        (None, _) => utc(time),
    }
}

/// How long that is, to be read at a glance: two units at most.
pub(super) fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let unit = match seconds {
        0..60 => 1,
        60..86_400 => 60,
        _ => 3600,
    };
    humantime::format_duration(Duration::from_secs(seconds - seconds % unit)).to_string()
}

/// The time of the day.
#[expect(clippy::disallowed_methods, reason = "people and programs are told when it was")]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

static HAS_BEGUN: AtomicBool = AtomicBool::new(false);
/// Of the year 9999. There is no way to write what comes behind it.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "aws")]
    fn an_end_is_told_with_the_time_that_is_left() {
        let now = UNIX_EPOCH + Duration::from_secs(951_782_400);
        let zone = || TimeZone::fixed(jiff::tz::offset(9));
        let later = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(until(later(43_199), now, zone()), "2000-02-29 20:59, for 12h");
        assert_eq!(until(later(5_400), now, zone()), "2000-02-29 10:30, for 1h 30m");
        let far = UNIX_EPOCH + Duration::from_secs(LAST_SECOND + 400 * 86_400);
        assert!(until(far, now, zone()).starts_with("for "));
    }

    #[test]
    #[cfg(feature = "aws")]
    fn what_has_been_is_told_by_the_clock_and_its_length() {
        let now = UNIX_EPOCH + Duration::from_secs(951_782_400);
        let clock = |seconds| {
            let zone = TimeZone::fixed(jiff::tz::offset(9));
            clock(now - Duration::from_secs(seconds), now, zone)
        };
        assert_eq!(
            (&*clock(0), &*clock(32_400), &*clock(32_460)),
            ("09:00", "00:00", "02-28 23:59")
        );
        for (seconds, told) in
            [(0, "0s"), (59, "59s"), (179, "2m"), (7_530, "2h 5m"), (93_900, "1day 2h")]
        {
            assert_eq!(length(Duration::from_secs(seconds)), told);
        }
    }

    #[test]
    fn every_time_can_be_shown() {
        let at = |seconds| utc(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(LAST_SECOND + 86_400), "9999-12-31T23:59:59Z");
    }
}

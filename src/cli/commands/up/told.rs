//! Tunnels as the reports have them.

use jiff::{Timestamp, tz::TimeZone};

use crate::cli::{report, times};
use crate::client::upkeep::{EventKind, State, Status};

/// How a tunnel is.
pub(super) fn tunnel(status: &Status) -> report::Tunnel<'_> {
    report::Tunnel {
        name: &status.name,
        state: state(status.state),
        since: times::utc(times::of_seconds(status.since)),
        local: &status.local,
        port: status.port,
        destination: &status.destination,
        target: &status.target,
        connections: status.connections,
        taken: status.taken,
        bytes_sent: status.bytes_sent,
        bytes_received: status.bytes_received,
        round_trip_ms: status.round_trip_ms,
        why: status.why.as_deref(),
        again_in: status.again_in,
    }
}

/// One that is kept up no more.
pub(super) fn ended(name: &str, time: u64) -> report::Ended<'_> {
    report::Ended { name, time: times::utc(times::of_seconds(time)) }
}

pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::Up => "up",
        State::Idle => "idle",
        State::Waiting => "waiting",
    }
}

pub(super) fn kind(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Starting => "starting",
        EventKind::Up => "up",
        EventKind::Idle => "idle",
        EventKind::Waiting => "waiting",
        EventKind::Ended => "ended",
        EventKind::Warning => "warning",
        EventKind::Note => "note",
    }
}

/// When that was where the user is.
#[cfg(unix)]
pub(super) fn local_time(time: u64) -> String {
    shown(time, "%Y-%m-%d %H:%M:%S")
}

/// The same, of the day alone.
pub(super) fn clock(time: u64) -> String {
    shown(time, "%H:%M:%S")
}

fn shown(time: u64, form: &str) -> String {
    let time = Timestamp::try_from(times::of_seconds(time)).unwrap_or_default();
    time.to_zoned_datetime(TimeZone::system()).strftime(form).to_string()
}

/// `1.2 MB`, in at most 7 characters.
pub(super) fn amount(bytes: u64) -> String {
    let mut amount = bytes as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if amount < 999.5 || unit == "TB" {
            let is_whole = unit == "B" || amount >= 99.95;
            return if is_whole {
                format!("{amount:.0} {unit}")
            } else {
                format!("{amount:.1} {unit}")
            };
        }
        amount /= 1000.0;
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_at_a_glance() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (99_949, "99.9 kB"),
            (99_950, "100 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (1_234_567_890, "1.2 GB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(amount(bytes), text);
        }
    }
}

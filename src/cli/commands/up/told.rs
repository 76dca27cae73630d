//! Tunnels as the reports have them.

use jiff::{Timestamp, tz::TimeZone};

use crate::cli::{report, times};
#[cfg(unix)]
use crate::client::upkeep::EventKind;
use crate::client::upkeep::{State, Status};

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
        State::Resuming => "resuming",
    }
}

#[cfg(unix)]
pub(super) fn kind(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Starting => "starting",
        EventKind::Up => "up",
        EventKind::Idle => "idle",
        EventKind::Waiting => "waiting",
        EventKind::Resuming => "resuming",
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

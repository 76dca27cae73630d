//! What `forward` and `up` tell of a port, and `socks` of a proxy.

use serde::Serialize;

/// A session stands, and the port can be connected to.
#[derive(Debug, Serialize)]
pub(crate) struct Forwarding<'a> {
    /// Where it listens.
    pub(crate) local: &'a [String],
    /// 0 for a Unix socket.
    pub(crate) port: u16,
    pub(crate) destination: &'a str,
    pub(crate) target: String,
    pub(crate) agent_version: &'a str,
}

/// The session is over; the next connection starts another one.
#[derive(Debug, Serialize)]
pub(crate) struct Lost<'a> {
    pub(crate) time: String,
    pub(crate) local: &'a [String],
    pub(crate) port: u16,
    pub(crate) target: String,
    pub(crate) why: &'a str,
    /// Connections that were cut off.
    pub(crate) cut_off: usize,
}

/// What has become of a further session of a forward.
#[derive(Debug, Serialize)]
pub(crate) struct Lane<'a> {
    pub(crate) time: String,
    /// 0 for a Unix socket.
    pub(crate) port: u16,
    /// The forward's first session is 1.
    pub(crate) lane: u32,
    pub(crate) state: LaneState,
    pub(crate) why: Option<&'a str>,
    /// Connections that were cut off.
    pub(crate) cut_off: usize,
    /// Connections that it has had.
    pub(crate) taken: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
}

/// How it is.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LaneState {
    /// It takes connections.
    Up,
    /// It is closed, as nobody uses it.
    Idle,
    Lost,
    /// It could not be had.
    NotStarted,
}

/// How a tunnel is that is kept up.
#[derive(Debug, Serialize)]
pub(crate) struct Tunnel<'a> {
    pub(crate) name: &'a str,
    pub(crate) state: &'static str,
    /// Since when.
    pub(crate) since: String,
    pub(crate) local: &'a [String],
    pub(crate) port: u16,
    pub(crate) destination: &'a str,
    pub(crate) target: &'a str,
    /// Connections that are open.
    pub(crate) connections: usize,
    /// Those that have come.
    pub(crate) taken: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) round_trip_ms: Option<f64>,
    pub(crate) why: Option<&'a str>,
    /// Seconds until another try.
    pub(crate) again_in: Option<u64>,
}

/// It is kept up no more.
#[derive(Debug, Serialize)]
pub(crate) struct Ended<'a> {
    pub(crate) time: String,
    pub(crate) name: &'a str,
}

/// What has happened.
#[cfg(unix)]
#[derive(Debug, Serialize)]
pub(crate) struct Entry<'a> {
    pub(crate) time: String,
    /// `None` for all of them.
    pub(crate) name: Option<&'a str>,
    pub(crate) kind: &'static str,
    pub(crate) what: &'a str,
}

/// The proxy can be connected to.
#[derive(Debug, Serialize)]
pub(crate) struct Proxying<'a> {
    /// Where it listens.
    pub(crate) local: &'a [String],
    /// 0 for a Unix socket.
    pub(crate) port: u16,
    pub(crate) target: String,
    /// As many sessions as it may have at once.
    pub(crate) sessions: usize,
    /// How long one stays that nobody uses, in seconds.
    pub(crate) idle: u64,
}

/// A connection is over; in the file of `--log` alone.
#[derive(Debug, Serialize)]
pub(crate) struct Connection<'a> {
    /// When it was opened.
    pub(crate) time: String,
    /// Where it came in; 0 for a Unix socket.
    pub(crate) port: u16,
    /// Nothing where its client did not say.
    pub(crate) destination: Option<&'a str>,
    pub(crate) target: &'a str,
    pub(crate) from: &'a str,
    /// Bytes that went to the destination.
    pub(crate) sent: u64,
    /// Bytes that came from there.
    pub(crate) received: u64,
    pub(crate) seconds: f64,
    /// What has ended it.
    pub(crate) end: &'a str,
}

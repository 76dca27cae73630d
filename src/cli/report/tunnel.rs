//! What `forward` tells of a port, and `socks` of a proxy.

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

//! What `forward` tells of a port.

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

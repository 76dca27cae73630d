//! What may be wrong with a proxy, in words.

use std::{io, time::Duration};

/// Why a proxy does not lead where it should. Its user and password are in no message.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The environment names something else.
    #[error("{variable} does not name a proxy (http://, https:// or socks5://, a host and a port)")]
    Address {
        /// The environment's variable.
        variable: &'static str,
    },
    /// No TCP connection.
    #[error("cannot connect to the proxy {proxy}: {source}")]
    Connect {
        /// The proxy's host and port.
        proxy: String,
        /// What the system says.
        source: io::Error,
    },
    /// It takes the connection and then says nothing.
    #[error("the proxy {proxy} did not connect to {host} within {} s", .after.as_secs())]
    Timeout {
        /// The proxy's host and port.
        proxy: String,
        /// Host and port that it was to connect to.
        host: String,
        /// The time that it had.
        after: Duration,
    },
    /// It wants a user and a password, or others.
    #[error(
        "the proxy {proxy} {}",
        if *.was_given { "does not accept that user and password" } else { "wants authentication" }
    )]
    Authentication {
        /// The proxy's host and port.
        proxy: String,
        /// The environment's variable that names the proxy.
        variable: &'static str,
        /// Whether it was given a user.
        was_given: bool,
    },
    /// It does not lead there.
    #[error("the proxy {proxy} does not connect to {host}: {said}")]
    Refused {
        /// The proxy's host and port.
        proxy: String,
        /// Host and port that it was to connect to.
        host: String,
        /// The HTTP status, and its reason in the proxy's words; or what a SOCKS5 proxy's code means.
        said: String,
        /// The proxy or what is behind it had a moment.
        is_temporary: bool,
    },
    /// What it says is not what a proxy says.
    #[error("{proxy} does not answer as a proxy does: {why}")]
    Answer {
        /// Its host and port.
        proxy: String,
        /// The environment's variable that names it.
        variable: &'static str,
        /// What it should be.
        kind: &'static str,
        /// What is wrong.
        why: String,
    },
}

impl ProxyError {
    /// Whether another attempt may succeed: the proxy or the network behind it had a moment.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Refused { is_temporary: true, .. })
    }

    /// What to do about it, as a short sentence without capital or full stop.
    pub fn next_step(&self) -> String {
        match self {
            Self::Address { variable } => format!(
                "set {variable} to http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with what is \
                 special in a URL as %XX"
            ),
            Self::Authentication { variable, was_given: false, .. } => {
                format!("put USER:PASSWORD@ into {variable}")
            }
            Self::Authentication { variable, .. } => format!(
                "check USER:PASSWORD@ in {variable}; what is special in a URL stands there as %XX"
            ),
            Self::Refused { host, .. } | Self::Timeout { host, .. } => {
                let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
                format!(
                    "allow CONNECT to {host} there, or name {name} in NO_PROXY to do without the proxy"
                )
            }
            Self::Connect { .. } => {
                "check the proxy's address and the network on the way to it".to_owned()
            }
            Self::Answer { variable, kind, .. } => {
                format!("check that {variable} names {kind} proxy")
            }
        }
    }
}

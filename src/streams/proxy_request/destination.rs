//! Hosts as clients of a proxy name them.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

/// A host, which is looked up on the far side, and a port of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Destination {
    /// A name in lower case, or an address without brackets.
    host: String,
    port: u16,
}

/// Why what a client names is none, in words for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoDestination(&'static str);

impl Destination {
    /// What is named so.
    pub(super) fn new(host: &str, port: u16) -> Result<Self, NoDestination> {
        if port == 0 {
            return Err(NoDestination("there is no port 0"));
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self::of_address(address, port));
        }
        let is_name = (1..=LONGEST).contains(&host.len())
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            && host.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
        match is_name {
            true => Ok(Self { host: host.to_ascii_lowercase(), port }),
            false => Err(NoDestination("the host is neither a name nor an address")),
        }
    }

    pub(super) fn of_address(address: IpAddr, port: u16) -> Self {
        Self { host: address.to_canonical().to_string(), port }
    }

    /// `HOST:PORT`; `default` is for what has no port.
    pub(super) fn parse(text: &str, default: Option<u16>) -> Result<Self, NoDestination> {
        let wrong = || NoDestination("HOST:PORT is not what stands there");
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                if host.contains(':') && !host.starts_with('[') {
                    return Err(wrong());
                }
                let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
                let port = port.parse().ok().filter(|_| is_number);
                (host, port.ok_or_else(wrong)?)
            }
            _ => (text, default.ok_or_else(wrong)?),
        };
        Self::new(host, port)
    }

    /// A name in lower case, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it has no name.
    pub fn is_address(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse::<Ipv6Addr>() {
            Ok(address) => write!(f, "[{address}]:{}", self.port),
            Err(_) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// As DNS has it.
const LONGEST: usize = 253;

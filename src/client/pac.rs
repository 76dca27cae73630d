//! The script that tells browsers which hosts go through a proxy (PAC).

use std::{net::SocketAddr, str::FromStr};

use crate::malformed::Malformed;

/// Hosts that are led through the proxy; all others are not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Pac(Vec<PacPattern>);

/// A host, in which `*` and `?` stand for anything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PacPattern(String);

impl Pac {
    /// Those of `patterns`, or what AWS names its own hosts.
    pub(crate) fn new(patterns: Vec<PacPattern>) -> Self {
        match patterns.is_empty() {
            true => Self(vec![PacPattern(OF_AWS.to_owned())]),
            false => Self(patterns),
        }
    }

    /// The script for a proxy at `address`. By HTTP it hears names, which are looked up on the far side.
    pub(super) fn script(&self, address: SocketAddr) -> String {
        let host = match address.ip() {
            ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
            ip if ip.is_ipv6() => format!("[{ip}]"),
            ip => ip.to_string(),
        };
        let tests = self.0.iter().map(|PacPattern(one)| format!("shExpMatch(host, \"{one}\")"));
        let tests = tests.collect::<Vec<_>>().join(" ||\n      ");
        format!(
            "function FindProxyForURL(url, host) {{\n  host = host.toLowerCase();\n  if ({tests}) {{\n    \
             return \"PROXY {host}:{}\";\n  }}\n  return \"DIRECT\";\n}}\n",
            address.port()
        )
    }
}

impl FromStr for PacPattern {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        // It stands within a script.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*?:".contains(&byte);
        match !text.is_empty() && text.bytes().all(is_plain) {
            true => Ok(Self(text.to_ascii_lowercase())),
            false => Err("not a host's name, such as *.internal or db?.example.com".into()),
        }
    }
}

const OF_AWS: &str = "*.internal";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_has_the_patterns_and_the_proxy() {
        let patterns = ["*.Corp.example", "db?"].map(|text| text.parse().unwrap());
        let script = Pac::new(patterns.into()).script("127.0.0.1:1080".parse().unwrap());
        for part in [
            "shExpMatch(host, \"*.corp.example\") ||\n",
            "shExpMatch(host, \"db?\")) {",
            "return \"PROXY 127.0.0.1:1080\"",
            "return \"DIRECT\"",
        ] {
            assert!(script.contains(part), "{script}");
        }
        let script = Pac::new(Vec::new()).script("[::1]:9".parse().unwrap());
        assert!(script.contains("\"*.internal\"") && script.contains("PROXY [::1]:9"), "{script}");
        let anywhere = Pac::new(Vec::new()).script("0.0.0.0:9".parse().unwrap());
        assert!(anywhere.contains("PROXY 127.0.0.1:9"), "{anywhere}");
    }

    #[test]
    fn nothing_of_a_script_is_a_pattern() {
        for text in ["", "a\"b", "a b", "a\\b", "a)", "ä"] {
            assert!(text.parse::<PacPattern>().is_err(), "{text}");
        }
    }
}

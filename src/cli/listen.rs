//! An address to listen on, as `--listen` takes it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::malformed::Malformed;

/// Reads `ADDRESS:PORT`, `localhost:PORT`, or a port of this machine alone.
///
/// # Errors
/// What is wrong with it, for the user.
pub(super) fn address(text: &str) -> Result<SocketAddr, Malformed> {
    let wrong = || Malformed::from("not ADDRESS:PORT, such as 127.0.0.1:8080, and not a port");
    let (address, port) = match text.rsplit_once(':') {
        None => (THIS_MACHINE, text),
        Some(("localhost", port)) => (THIS_MACHINE, port),
        Some(("*", port)) => (Ipv4Addr::UNSPECIFIED.into(), port),
        Some(_) => return text.parse().map_err(|_| wrong()),
    };
    Ok(SocketAddr::new(address, port.parse().map_err(|_| wrong())?))
}

const THIS_MACHINE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_this_machines() {
        for (text, expected) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("8080", "127.0.0.1:8080"),
            ("0", "127.0.0.1:0"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("0.0.0.0:8080", "0.0.0.0:8080"),
            ("*:8080", "0.0.0.0:8080"),
            ("[::1]:8080", "[::1]:8080"),
        ] {
            assert_eq!(address(text), Ok(expected.parse().unwrap()), "{text}");
        }
        for text in
            ["", "nonsense", "127.0.0.1", "::1", "localhost:", "localhost:x", "99999", ":80"]
        {
            assert!(address(text).is_err(), "{text}");
        }
    }
}

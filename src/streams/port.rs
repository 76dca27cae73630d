//! Which of its forms a port session has.

use crate::{
    channel::Ready,
    wire::{Version, handshake::SessionType},
};

/// How the bytes of a port session are to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortKind {
    /// Many connections, multiplexed.
    Multiplexed,
    /// One connection at a time, its bytes as they are.
    Basic,
    /// A single stream, for standard input and output.
    Stream,
}

impl PortKind {
    /// What the handshake says; `None` when it is no port session.
    pub fn of(ready: &Ready) -> Option<Self> {
        if ready.session_type != SessionType::Port {
            return None;
        }
        // As `LocalPortForwarding` itself, so whatever may come to be forwarded from a local port.
        let forwards = |kind: String| kind.starts_with("LocalPortForwarding");
        if !ready.property("type").is_some_and(forwards) {
            return Some(Self::Stream);
        }
        // The reference client's comparison: a version that cannot be read is not a new one.
        let is_old = ready.version() <= Some(LAST_WITHOUT_MUX);
        Some(if is_old { Self::Basic } else { Self::Multiplexed })
    }
}

/// Agents up to this version carry one connection at a time, without a multiplexer.
const LAST_WITHOUT_MUX: Version = Version::new(3, 0, 196, 0);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ready(session_type: SessionType, kind: &str, version: &str) -> Ready {
        Ready {
            session_type,
            properties: json!({"portNumber": "22", "type": kind}),
            peer_version: version.to_owned(),
            customer_message: String::new(),
        }
    }

    #[test]
    fn the_type_and_the_agents_version_decide() {
        let forwarding = "LocalPortForwarding";
        for (kind, version, expected) in [
            (forwarding, "3.3.2299.0", PortKind::Multiplexed),
            (forwarding, "3.0.196.1", PortKind::Multiplexed),
            (forwarding, "3.0.196.0", PortKind::Basic),
            (forwarding, "2.3.1644.0", PortKind::Basic),
            (forwarding, "", PortKind::Basic),
            ("LocalPortForwardingToSocket", "3.3.2299.0", PortKind::Multiplexed),
            ("", "3.3.2299.0", PortKind::Stream),
            ("RemotePortForwarding", "3.3.2299.0", PortKind::Stream),
        ] {
            assert_eq!(PortKind::of(&ready(SessionType::Port, kind, version)), Some(expected));
        }
        assert_eq!(PortKind::of(&ready(SessionType::StandardStream, forwarding, "3.3.0.0")), None);
    }
}

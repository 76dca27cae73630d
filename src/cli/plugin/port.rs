//! The drop-in's port sessions: where they listen, and what is said of their connections.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    path::Path,
};

use tokio::net::{TcpListener, TcpSocket};

use super::words::Words;
use crate::{
    channel::Ready,
    streams::{ForwardEvent, Listener, PortKind},
};

/// Listens where the session's document says, and says so.
pub(super) fn open(
    ready: &Ready,
    kind: PortKind,
    session_id: &str,
    words: Words,
) -> Result<Vec<Listener>, String> {
    let listener = match ready.property("localConnectionType").as_deref() {
        Some("unix") => {
            let path = ready.property("localUnixSocket").unwrap_or_default();
            let listener = listen_unix(Path::new(&path))?;
            words.say(&format!("Unix socket {path} opened for sessionId {session_id}.\n"));
            listener
        }
        _ => {
            let (listener, port) = listen(&ready.property("localPortNumber").unwrap_or_default())?;
            words.say(&format!("Port {port} opened for sessionId {session_id}.\n"));
            let open = listener.tcp_address().filter(|address| !address.ip().is_loopback());
            if let Some(address) = open {
                words.warn(&format!("{address} can be reached from other machines"));
            }
            listener
        }
    };
    if kind == PortKind::Multiplexed {
        words.say("Waiting for connections...\n");
    }
    Ok(vec![listener])
}

fn listen(port: &str) -> Result<(Listener, u16), String> {
    let port: u16 = match port {
        "" => 0,
        port => port.parse().map_err(|_| format!("local port {port} is not a port"))?,
    };
    // The reference plugin's own variable.
    let host = std::env::var("SSM_PLUGIN_LOCAL_HOST").ok().filter(|host| !host.is_empty());
    let host = host.as_deref().unwrap_or("127.0.0.1");
    let failed = |error: io::Error| format!("listen tcp {host}:{port}: {}", reason(&error));
    let listener = addresses(host, port).and_then(|addresses| first_to_listen(&addresses));
    let listener = listener.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    Ok((Listener::Tcp(listener), port))
}

/// The addresses of a host as people write it: a name or an address, one of IPv6 in brackets too, `*`
/// for all that this machine has.
fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if host == "*" {
        let all = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
        return Ok(all.map(|ip| SocketAddr::new(ip, port)).to_vec());
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (bare, port).to_socket_addrs().map(Iterator::collect)
}

fn first_to_listen(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match listen_at(*address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(LISTEN_QUEUE)
}

/// In the reference plugin's words where it has some: callers look for them.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "bind: address already in use".to_owned(),
        io::ErrorKind::PermissionDenied => "bind: permission denied".to_owned(),
        io::ErrorKind::AddrNotAvailable => "bind: cannot assign requested address".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(unix)]
fn listen_unix(path: &Path) -> Result<Listener, String> {
    let bound = crate::streams::SocketFile::bind(path);
    let failed = |error| format!("listen unix {}: {}", path.display(), reason(&error));
    bound.map(Listener::Unix).map_err(failed)
}

#[cfg(not(unix))]
fn listen_unix(path: &Path) -> Result<Listener, String> {
    Err(format!("listen unix {}: this system has no Unix sockets", path.display()))
}

/// Tells of the connections of one session.
pub(super) fn observer(
    kind: PortKind,
    session_id: String,
    words: Words,
) -> impl FnMut(ForwardEvent) + Send {
    let mut has_connection = false;
    move |event| {
        match event {
        ForwardEvent::Accepted(_) => {
            if std::mem::replace(&mut has_connection, true) {
                return;
            }
            words.say(&match kind {
                PortKind::Basic => format!("Connection accepted for session {session_id}.\n"),
                _ => format!("\nConnection accepted for session [{session_id}]\n"),
            });
        }
        ForwardEvent::DestinationRefused => {
            words.say("\nConnection to destination port failed, check SSM Agent logs.\n");
        }
        ForwardEvent::Stalled { discarded } => words.warn(&format!(
            "a connection was hardly read for a minute and held up the others; it was reset, with \
             {discarded} bytes not delivered"
        )),
        ForwardEvent::Unanswered(peer) => words.warn(&format!(
            "{peer} had sent its request and waited, and the answer did not come in time; its \
             connection was reset, SSMPORT_ANSWER_WITHIN sets how long it may take"
        )),
        ForwardEvent::Full { connections } => words.warn(&format!(
            "{connections} connections are open, as many as one session carries without harm to the \
             node; further ones wait until one of them ends"
        )),
        ForwardEvent::Slow(_)
        | ForwardEvent::Flowing { .. }
        | ForwardEvent::NotAccepted(_)
        | ForwardEvent::CutOff { .. } => {
            tracing::warn!("{event:?}");
        }
    }
    }
}

/// As many as `forward` lets wait.
const LISTEN_QUEUE: u32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_is_what_people_write_for_it() {
        for (host, ip) in [
            ("127.0.0.1", "127.0.0.1"),
            ("0.0.0.0", "0.0.0.0"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("*", "::"),
        ] {
            let addresses = addresses(host, 0).unwrap();
            assert_eq!(addresses[0].ip(), ip.parse::<IpAddr>().unwrap(), "{host}");
            first_to_listen(&addresses).expect(host);
        }
        assert!(addresses("[", 0).is_err());
    }

    #[tokio::test]
    async fn where_one_address_cannot_be_had_the_next_one_will_do() {
        let listener = listen_at("127.0.0.1:0".parse().unwrap()).unwrap();
        let taken = listener.local_addr().unwrap();
        let next = "[::1]:0".parse().unwrap();
        let second = first_to_listen(&[taken, next]).unwrap();
        assert!(second.local_addr().unwrap().is_ipv6());
        let error = first_to_listen(&[taken]).unwrap_err();
        assert_eq!(reason(&error), "bind: address already in use");
    }

    #[tokio::test]
    async fn a_burst_of_connections_waits_for_its_turn() {
        let listener = listen_at("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut burst = Vec::new();
        for _ in 0..300 {
            // Beyond the queue a connection is not answered at all.
            let connected = std::net::TcpStream::connect_timeout(&address, DEADLINE);
            burst.push(connected.expect("it waits in the queue"));
        }
    }

    const DEADLINE: std::time::Duration = std::time::Duration::from_secs(2);
}

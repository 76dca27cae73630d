//! The drop-in's port sessions: where they listen, and what is said of their connections.

use std::{io, net::ToSocketAddrs, path::Path};

use tokio::net::TcpListener;

use super::words::Words;
use crate::{
    channel::Ready,
    cli::counted::counted,
    client::bind::{self, NotBound},
    net::{ApplicationError, Rationed, now, too_many_open_files},
    streams::{ForwardEvent, Listener, PortKind},
    wire::foreign_text::one_line,
};

/// Listens where the session's document says, and says so.
pub(super) fn open(
    ready: &Ready,
    kind: PortKind,
    session_id: &str,
    words: Words,
) -> Result<Vec<Listener>, ApplicationError> {
    let session_id = one_line(session_id);
    let listeners = match ready.property("localConnectionType").as_deref() {
        Some("unix") => {
            let path = ready.property("localUnixSocket").unwrap_or_default();
            let listener = listen_unix(Path::new(&path))?;
            let path = one_line(&path);
            words.say(&format!("Unix socket {path} opened for sessionId {session_id}.\n"));
            vec![listener]
        }
        _ => {
            let listeners = listen(&ready.property("localPortNumber").unwrap_or_default())?;
            let mut addresses = listeners.iter().filter_map(Listener::tcp_address);
            let address = addresses.next().ok_or("the port has no number")?;
            let port = address.port();
            words.say(&format!("Port {port} opened for sessionId {session_id}.\n"));
            if !address.ip().is_loopback() {
                words.warn(&format!("{address} can be reached from other machines"));
            }
            listeners
        }
    };
    if kind == PortKind::Multiplexed {
        words.say("Waiting for connections...\n");
    }
    Ok(listeners)
}

/// Where the reference plugin does, and on ::1 as well, where a browser or a driver of a database that
/// was told `localhost` may look first.
fn listen(port: &str) -> Result<Vec<Listener>, ApplicationError> {
    let port: u16 = match port {
        "" => 0,
        port => port.parse().map_err(|_| format!("local port {port} is not a port"))?,
    };
    // The reference plugin's own variable.
    let host = std::env::var("SSM_PLUGIN_LOCAL_HOST").ok().filter(|host| !host.is_empty());
    let listeners = match host.as_deref() {
        None | Some("localhost") => bind::loopback(port).map_err(not_bound)?,
        Some("*") => bind::any(port).map_err(not_bound)?,
        Some(host) => vec![listen_at(host, port)?],
    };
    Ok(listeners.into_iter().map(Listener::Tcp).collect())
}

/// At the first address of a host, or the one that is written, in brackets too.
fn listen_at(host: &str, port: u16) -> Result<TcpListener, ApplicationError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let failed = |why: String| ApplicationError::from(format!("listen tcp {host}:{port}: {why}"));
    let unknown = |error: io::Error| failed(error.to_string());
    let mut listener = Err(failed("the name has no address".to_owned()));
    for address in (bare, port).to_socket_addrs().map_err(unknown)? {
        listener = bind::listen(address).map_err(not_bound);
        if listener.is_ok() {
            break;
        }
    }
    listener
}

fn not_bound(NotBound { address, error }: NotBound) -> ApplicationError {
    format!("listen tcp {address}: {}", reason(&error)).into()
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
fn listen_unix(path: &Path) -> Result<Listener, ApplicationError> {
    let bound = crate::streams::SocketFile::bind(path);
    bound
        .map(Listener::Unix)
        .map_err(|error| format!("listen unix {}: {}", path.display(), reason(&error)).into())
}

#[cfg(not(unix))]
fn listen_unix(path: &Path) -> Result<Listener, ApplicationError> {
    Err(format!("listen unix {}: ssmport opens Unix sockets on Unix alone", path.display()).into())
}

/// Tells of the connections of one session.
pub(super) fn observer(
    kind: PortKind,
    session_id: String,
    words: Words,
) -> impl FnMut(ForwardEvent) + Send {
    let session_id = one_line(&session_id);
    let mut has_connection = false;
    let mut not_accepted = Rationed::default();
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
             connection was reset; SSMPORT_ANSWER_WITHIN sets how long it may take, and should be short \
             where none is to come"
        )),
        ForwardEvent::Full { connections } => words.warn(&format!(
            "{connections} connections are open, as many as one session carries without harm to the \
             node; further ones wait until one of them ends"
        )),
        ForwardEvent::NotAccepted(why) if too_many_open_files(&why).is_some() => {
            if let Some(times) = not_accepted.tell(now()) {
                words.warn(&format!("a connection was not taken{times}: {why}"));
            }
        }
        ForwardEvent::Slow(peer) => tracing::warn!("{peer} reads slowly, and others wait behind it"),
        ForwardEvent::Flowing { after } => {
            tracing::warn!("data flows again, after {} s", after.as_secs());
        }
        ForwardEvent::NotAccepted(why) => tracing::warn!("a connection was not taken: {why}"),
        ForwardEvent::CutOff { connections } => {
            let connections = counted(connections, "connection");
            tracing::warn!("the session is gone, and {connections} with it");
        }
        ForwardEvent::NotReached { .. } | ForwardEvent::Closed(_) => {}
    }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[tokio::test]
    async fn a_host_is_what_people_write_for_it() {
        for (host, ip) in
            [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("::1", "::1"), ("[::1]", "::1")]
        {
            let listener = listen_at(host, 0).expect(host);
            let address = listener.local_addr().unwrap();
            assert_eq!(address.ip(), ip.parse::<IpAddr>().unwrap(), "{host}");
        }
        assert!(listen_at("[", 0).is_err());
    }

    #[tokio::test]
    async fn a_taken_port_is_told_in_the_words_of_the_reference() {
        let listener = listen_at("127.0.0.1", 0).unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = listen_at("127.0.0.1", port).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("listen tcp 127.0.0.1:{port}: bind: address already in use")
        );
    }

    #[tokio::test]
    async fn a_burst_of_connections_waits_for_its_turn() {
        let listener = listen_at("127.0.0.1", 0).unwrap();
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

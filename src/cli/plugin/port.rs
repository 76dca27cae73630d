//! The drop-in's port sessions: where they listen, and what is said of their connections.

use std::{
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    path::Path,
};

use super::{super::rationed::Rationed, words::Words};
use crate::{
    channel::Ready,
    net::{now, too_many_open_files},
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
    let failed = |error: std::io::Error| format!("listen tcp {host}:{port}: {error}");
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs().map_err(failed)?.collect();
    let listener = TcpListener::bind(&addresses[..]).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
    Ok((Listener::Tcp(listener), port))
}

#[cfg(unix)]
fn listen_unix(path: &Path) -> Result<Listener, String> {
    let bound = crate::streams::SocketFile::bind(path);
    let failed = |error| format!("listen unix {}: {error}", path.display());
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
        ForwardEvent::Slow(_)
        | ForwardEvent::Flowing { .. }
        | ForwardEvent::NotAccepted(_)
        | ForwardEvent::CutOff { .. } => {
            tracing::warn!("{event:?}");
        }
    }
    }
}

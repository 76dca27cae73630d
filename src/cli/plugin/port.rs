//! The drop-in's port sessions: where they listen, and what is said of their connections.

use std::{net::ToSocketAddrs, path::Path};

use super::{
    super::bind::{self, NotBound},
    words::Words,
};
use crate::{
    channel::Ready,
    streams::{ForwardEvent, Listener, PortKind},
    wire::foreign_text::one_line,
};

/// Listens where the session's document says, and says so.
pub(super) fn open(
    ready: &Ready,
    kind: PortKind,
    session_id: &str,
    words: Words,
) -> Result<Vec<Listener>, String> {
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
fn listen(port: &str) -> Result<Vec<Listener>, String> {
    let port: u16 = match port {
        "" => 0,
        port => port.parse().map_err(|_| format!("local port {port} is not a port"))?,
    };
    // The reference plugin's own variable.
    let host = std::env::var("SSM_PLUGIN_LOCAL_HOST").ok().filter(|host| !host.is_empty());
    let failed = |NotBound { address, error }| format!("listen tcp {address}: {error}");
    let listeners = match host.as_deref() {
        None | Some("localhost") => bind::loopback(port).map_err(failed)?,
        Some(host) => {
            let unknown = |error| format!("listen tcp {host}:{port}: {error}");
            let mut listener = Err(format!("{host} has no address"));
            for address in (host, port).to_socket_addrs().map_err(unknown)? {
                listener = bind::listen(address).map_err(failed);
                if listener.is_ok() {
                    break;
                }
            }
            vec![listener?]
        }
    };
    Ok(listeners.into_iter().map(Listener::Tcp).collect())
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
    let session_id = one_line(&session_id);
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
        ForwardEvent::Slow(peer) => tracing::warn!("{peer} reads slowly, and others wait behind it"),
        ForwardEvent::Flowing { after } => {
            tracing::warn!("data flows again, after {} s", after.as_secs());
        }
        ForwardEvent::NotAccepted(why) => tracing::warn!("a connection was not taken: {why}"),
        ForwardEvent::CutOff { connections } => {
            tracing::warn!("the session is gone, and {connections} connections with it");
        }
    }
    }
}

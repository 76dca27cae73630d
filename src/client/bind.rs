//! Local ports and sockets, taken before any session is started.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use tokio::net::TcpListener;

use super::{
    error::Error,
    port_owner,
    spec::{Bind, Spec},
};
use crate::streams::Listener;

/// Listens where `spec` says, before any session is started.
pub(crate) async fn bind(spec: &Spec) -> Result<Vec<Listener>, Error> {
    let remote = spec.remote();
    bind_at(&spec.bind, spec.local_port, |port| format!("{port}:{remote}")).await
}

/// Listens there; `typed` is how another port is written.
pub(crate) async fn bind_at(
    bind: &Bind,
    port: u16,
    typed: impl Fn(u16) -> String,
) -> Result<Vec<Listener>, Error> {
    let listeners = match bind {
        Bind::Socket(path) => return Ok(vec![socket_file(path)?]),
        Bind::Address(address) => listen((*address, port).into()).map(|listener| vec![listener]),
        Bind::Loopback => loopback(port),
        Bind::Any => any(port),
    };
    let listeners =
        listeners.map_err(|NotBound { address, error }| port_taken(typed, address, &error))?;
    Ok(listeners.into_iter().map(Listener::Tcp).collect())
}

/// Where somebody listens, as people are told: that both of this machine's own addresses have the port is
/// said briefly.
pub(crate) fn listening(local: &[String]) -> String {
    match local {
        [first, second] if of_loopback(first, second) => format!("{first} (and ::1)"),
        all => all.join(" and "),
    }
}

fn of_loopback(first: &str, second: &str) -> bool {
    let ports = (first.strip_prefix("127.0.0.1:"), second.strip_prefix("[::1]:"));
    ports.0.is_some() && ports.0 == ports.1
}

/// An address that cannot be listened on.
#[derive(Debug)]
pub(crate) struct NotBound {
    pub(crate) address: SocketAddr,
    pub(crate) error: io::Error,
}

/// Both of this machine's own addresses, of which `localhost` may mean either: a port that somebody
/// else has on one of them is not ours.
pub(crate) fn loopback(port: u16) -> Result<Vec<TcpListener>, NotBound> {
    pair(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST, port)
}

/// All that this machine has.
pub(crate) fn any(port: u16) -> Result<Vec<TcpListener>, NotBound> {
    pair(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED, port)
}

#[cfg(unix)]
fn socket_file(path: &Path) -> Result<Listener, Error> {
    let bound = crate::streams::SocketFile::bind(path);
    bound.map(Listener::Unix).map_err(|error| {
        let failure = Error::local(format!("cannot listen on {}", path.display()));
        match error.kind() {
            io::ErrorKind::AddrInUse => failure
                .because("another program listens there")
                .next("end it, or give another path"),
            _ => failure.because(error).next("give another path"),
        }
    })
}

#[cfg(not(unix))]
fn socket_file(path: &Path) -> Result<Listener, Error> {
    let what = format!("{} is a Unix socket, which ssmport opens on Unix alone", path.display());
    Err(Error::local(what).next("give a port instead"))
}

/// Both address families on one port; the second only where the system has it.
fn pair(first: Ipv4Addr, second: Ipv6Addr, port: u16) -> Result<Vec<TcpListener>, NotBound> {
    // A free port of one family may be taken in the other: then another one will do.
    let mut attempts = if port == 0 { FREE_PORT_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        let first = listen((first, port).into())?;
        let port = first.local_addr().map_or(port, |address| address.port());
        match listen_as((second, port).into(), true) {
            Ok(second) => return Ok(vec![first, second]),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                if attempts == 0 {
                    return Err(NotBound { address: (second, port).into(), error });
                }
            }
            Err(_) => return Ok(vec![first]),
        }
    }
}

/// Of one address.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener, NotBound> {
    listen_as(address, false).map_err(|error| NotBound { address, error })
}

/// A socket for IPv6 alone does not take the IPv4 side of the same port.
fn listen_as(address: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    if only_v6 {
        socket.set_only_v6(true)?;
    }
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_QUEUE)?;
    TcpListener::from_std(socket.into())
}

fn port_taken(typed: impl Fn(u16) -> String, address: SocketAddr, error: &io::Error) -> Error {
    let failure = Error::local(format!("cannot listen on {address}"));
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let owner = port_owner::of(address);
            let owner =
                owner.map_or("it is in use".to_owned(), |owner| format!("{owner} holds it"));
            let next = format!("give another local port, or 0 for a free one: {}", typed(0));
            failure.because(owner).next(next)
        }
        io::ErrorKind::PermissionDenied => failure
            .because(error)
            .next(format!("{PORT_REFUSED}: give a higher local port, such as {}", typed(10_000))),
        _ => failure.because(error),
    }
}

/// Why a system refuses one.
#[cfg(not(windows))]
const PORT_REFUSED: &str = "ports below 1024 need privileges";
#[cfg(windows)]
const PORT_REFUSED: &str = "somebody has the port for himself, or it is one of those that Windows keeps (netsh interface ipv4 \
     show excludedportrange tcp)";

const FREE_PORT_ATTEMPTS: u32 = 16;
/// The standard library's 128 is less than a browser or a pool of connections opens at once.
const LISTEN_QUEUE: i32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::error::Kind;

    #[tokio::test]
    async fn a_taken_port_names_its_holder() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let failure = bind(&format!("{port}:5432").parse().unwrap()).await.unwrap_err();
        assert_eq!(failure.what, format!("cannot listen on 127.0.0.1:{port}"));
        assert_eq!(failure.kind, Kind::Local);
        assert!(failure.why.unwrap().contains("holds it"));
        // In the words of what was typed.
        let failure = bind(&format!("db.internal:{port}").parse().unwrap()).await.unwrap_err();
        assert!(failure.next.unwrap().ends_with(&format!(": 0:db.internal:{port}")));
    }

    #[test]
    fn where_it_listens_fits_a_line() {
        let local = |local: &[&str]| {
            listening(&local.iter().map(|local| (*local).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(local(&["127.0.0.1:15432", "[::1]:15432"]), "127.0.0.1:15432 (and ::1)");
        assert_eq!(local(&["127.0.0.1:1", "[::1]:2"]), "127.0.0.1:1 and [::1]:2");
        assert_eq!(local(&["0.0.0.0:1", "[::]:1"]), "0.0.0.0:1 and [::]:1");
        assert_eq!(local(&["/run/db.sock"]), "/run/db.sock");
    }

    #[tokio::test]
    async fn loopback_means_both_families_on_one_free_port() {
        let listeners = bind(&"0:5432".parse().unwrap()).await.unwrap();
        let addresses: Vec<_> = listeners.iter().map(|l| l.tcp_address().unwrap()).collect();
        assert!(addresses.iter().all(|address| address.ip().is_loopback()));
        assert!(addresses.iter().all(|address| address.port() == addresses[0].port()));
    }
}

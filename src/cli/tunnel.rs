//! One forwarded port: its listeners, its session, its end.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    failure::{Code, Failure},
    port_owner,
    service::{Request, Service},
    spec::{Bind, Spec},
};
use crate::{
    net::Traffic,
    session::{ControlPlane, Session, SessionEnd},
    streams::{Forward, ForwardEvent},
};

/// Our version, in the reference client's numbering: the one whose behaviour we have. It is what
/// agents decide by.
pub(super) const CLIENT_VERSION: &str = "1.2.764.0";

/// A port session that is to be started.
pub(super) struct Tunnel {
    pub(super) service: Service,
    pub(super) request: Request,
    pub(super) listeners: Vec<TcpListener>,
    /// Becomes true when the tunnel is to end.
    pub(super) stop: watch::Receiver<bool>,
}

impl Tunnel {
    /// Starts the session and forwards until it is stopped or lost.
    pub(super) async fn run(
        mut self,
        observer: impl FnMut(ForwardEvent),
    ) -> Result<(SessionEnd, Traffic), Failure> {
        let ticket = tokio::select! {
            ticket = self.service.start(&self.request) => ticket?,
            () = stopped(self.stop.clone()) => return Ok((SessionEnd::Done, Traffic::default())),
        };
        let control_plane = self.service.control_plane();
        let session_id = ticket.session_id.clone();
        let session = Session::new(&session_id, CLIENT_VERSION, &*control_plane);
        let listeners = std::mem::take(&mut self.listeners);
        let open = Box::new(|_: &_| Ok(listeners));
        let mut forward = Forward::new(open, Box::pin(stopped(self.stop.clone())), observer);

        let end = tokio::select! {
            end = session.run(ticket, &mut forward) => end?,
            // The session may be between two connections, and not hear of the stop.
            () = stopped_for(self.stop.clone(), STOP_TIMEOUT) => {
                terminate(&*control_plane, &session_id).await;
                SessionEnd::Done
            }
        };
        match forward.failure() {
            Some(why) => {
                Err(Failure::new(Code::Target, "the node cannot forward this").because(why))
            }
            None => Ok((end, forward.traffic())),
        }
    }
}

/// What StartSession is asked for.
pub(super) fn request(spec: &Spec, local_port: u16, reason: Option<String>) -> Request {
    let mut parameters = BTreeMap::from([
        ("portNumber".to_owned(), vec![spec.port.to_string()]),
        ("localPortNumber".to_owned(), vec![local_port.to_string()]),
    ]);
    let document = match &spec.host {
        None => "AWS-StartPortForwardingSession",
        Some(host) => {
            parameters.insert("host".to_owned(), vec![host.clone()]);
            "AWS-StartPortForwardingSessionToRemoteHost"
        }
    };
    Request { document, parameters, reason }
}

/// Listens where `spec` says, before any session is started.
pub(super) async fn bind(spec: &Spec) -> Result<Vec<TcpListener>, Failure> {
    let port = spec.local_port;
    match spec.bind {
        Bind::Address(address) => Ok(vec![listen(address, port).await?]),
        Bind::Loopback => pair(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST, port).await,
        Bind::Any => pair(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED, port).await,
    }
}

/// Both address families on one port; the second only where the system has it.
async fn pair(first: Ipv4Addr, second: Ipv6Addr, port: u16) -> Result<Vec<TcpListener>, Failure> {
    // A free port of one family may be taken in the other: then another one will do.
    let mut attempts = if port == 0 { FREE_PORT_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        let first = listen(first.into(), port).await?;
        let port = first.local_addr().map_or(port, |address| address.port());
        match listen_only_v6(second, port) {
            Ok(second) => return Ok(vec![first, second]),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                if attempts == 0 {
                    return Err(port_taken(SocketAddr::new(second.into(), port), &error));
                }
            }
            Err(_) => return Ok(vec![first]),
        }
    }
}

async fn listen(address: IpAddr, port: u16) -> Result<TcpListener, Failure> {
    let address = SocketAddr::new(address, port);
    TcpListener::bind(address).await.map_err(|error| port_taken(address, &error))
}

/// A socket for IPv6 alone, so that it does not take the IPv4 side of the same port.
fn listen_only_v6(address: Ipv6Addr, port: u16) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None)?;
    socket.set_only_v6(true)?;
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(address.into(), port).into())?;
    socket.listen(LISTEN_QUEUE)?;
    TcpListener::from_std(socket.into())
}

fn port_taken(address: SocketAddr, error: &io::Error) -> Failure {
    let failure = Failure::local(format!("cannot listen on {address}"));
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let owner = port_owner::of(address.port());
            let owner =
                owner.map_or("it is in use".to_owned(), |owner| format!("{owner} holds it"));
            failure.because(owner).next("give another local port, or 0 for a free one: 0:PORT")
        }
        io::ErrorKind::PermissionDenied => failure
            .because(error)
            .next("ports below 1024 need privileges: give a higher local port, such as 10000:PORT"),
        _ => failure.because(error),
    }
}

/// Ends a session whose data channel cannot say so, if the service answers soon.
pub(super) async fn terminate(control_plane: &dyn ControlPlane, session_id: &str) {
    let _ = timeout(TERMINATE_TIMEOUT, control_plane.terminate(session_id)).await;
}

pub(super) async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that nobody can stop us any more: then we are to end, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn stopped_for(stop: watch::Receiver<bool>, time: Duration) {
    stopped(stop).await;
    sleep(time).await;
}

const FREE_PORT_ATTEMPTS: u32 = 16;
const LISTEN_QUEUE: i32 = 1024;
/// A little more than a session in good order takes to end.
pub(super) const STOP_TIMEOUT: Duration = Duration::from_millis(2500);
/// Whoever pressed Ctrl-C does not wait long for a service that may be gone.
const TERMINATE_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_names_its_holder() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let failure = bind(&format!("{port}:5432").parse().unwrap()).await.unwrap_err();
        assert_eq!(failure.what, format!("cannot listen on 127.0.0.1:{port}"));
        assert_eq!(failure.code, Code::Local);
        assert!(failure.why.unwrap().contains("holds it"));
    }

    #[tokio::test]
    async fn loopback_means_both_families_on_one_free_port() {
        let listeners = bind(&"0:5432".parse().unwrap()).await.unwrap();
        let addresses: Vec<_> = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
        assert!(addresses.iter().all(|address| address.ip().is_loopback()));
        assert!(addresses.iter().all(|address| address.port() == addresses[0].port()));
    }

    #[test]
    fn remote_hosts_have_a_document_of_their_own() {
        let near = request(&"1:5432".parse().unwrap(), 1, None);
        assert_eq!(near.document, "AWS-StartPortForwardingSession");
        assert_eq!(near.parameters["portNumber"], ["5432"]);
        assert!(!near.parameters.contains_key("host"));
        let far = request(&"1:db:5432".parse().unwrap(), 1, None);
        assert_eq!(far.document, "AWS-StartPortForwardingSessionToRemoteHost");
        assert_eq!(far.parameters["host"], ["db"]);
    }
}

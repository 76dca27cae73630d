//! A local proxy, SOCKS and HTTP on one port, whose connections go through a node.

use std::{
    borrow::Cow,
    fmt::{self, Display, Formatter},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;

use super::{
    Error, Kind, Node,
    lanes::{DestinationEvent, LaneLimits, Lanes},
    pac::Pac,
    spec::{Bind, Spec, is_loopback},
    tunnel::{TunnelEvent, stopped},
};
use crate::{
    net::Socket,
    streams::{
        Answered, Destination, LONGEST, Listeners, Peer, ProxyFailure, ProxyReader, ProxyRequest,
        Step, Wanted, page,
    },
};

/// A proxy that is to be run.
pub(crate) struct ProxyServer {
    pub(crate) node: Node,
    pub(crate) listeners: Listeners,
    /// Where it listens, for the page that tells browsers.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) limits: LaneLimits,
    pub(crate) pac: Pac,
    /// Becomes true when it is to end.
    pub(crate) stop: watch::Receiver<bool>,
}

/// What becomes of a proxy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProxyEvent {
    /// Something happened in the session that leads to this destination.
    Session {
        /// Host and port, as the node sees them.
        destination: String,
        /// What it was.
        event: TunnelEvent,
    },
    /// A session was closed, as its destination was not used for so long.
    Idle {
        /// Host and port, as the node sees them.
        destination: String,
        /// For how long.
        after: Duration,
    },
    /// A session that nobody used was closed to make room for one to another destination.
    MadeRoom {
        /// Host and port, as the node sees them.
        destination: String,
    },
    /// A client was told that its connection cannot be had.
    NotServed {
        /// Who.
        peer: Peer,
        /// Host and port, as the node sees them, where that is known.
        destination: Option<String>,
        /// Why.
        error: Error,
    },
    /// A connection could not be taken.
    NotAccepted(String),
}

impl Display for ProxyEvent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session { destination, event } => write!(f, "{destination}: {event}"),
            Self::Idle { destination, after } => {
                write!(f, "{destination}: closed, not used for {} s", after.as_secs())
            }
            Self::MadeRoom { destination } => write!(f, "{destination}: closed to make room"),
            Self::NotServed { peer, destination: Some(destination), error } => {
                write!(f, "{peer} was not led to {destination}: {error}")
            }
            Self::NotServed { peer, error, .. } => write!(f, "{peer} was not served: {error}"),
            Self::NotAccepted(why) => write!(f, "a connection was not taken: {why}"),
        }
    }
}

/// What all connections share.
struct Shared {
    node_id: String,
    lanes: Lanes,
    address: Option<SocketAddr>,
    pac: Pac,
    observer: Arc<dyn Fn(ProxyEvent) + Send + Sync>,
}

impl ProxyServer {
    /// Serves until it is stopped, and until the service has heard that the sessions are over.
    pub(crate) async fn run(self, observer: impl Fn(ProxyEvent) + Send + Sync + 'static) {
        let Self { node, mut listeners, address, limits, pac, stop } = self;
        let node = node.apart();
        let observer: Arc<dyn Fn(ProxyEvent) + Send + Sync> = Arc::new(observer);
        let lanes = Lanes::new(node.clone(), limits, {
            let observer = Arc::clone(&observer);
            move |destination, event| observer(of_lane(destination, event))
        });
        let node_id = node.id();
        let shared = Shared { node_id, lanes: lanes.clone(), address, pac, observer };
        let shared = Arc::new(shared);
        let (slots, tasks) = (Arc::new(Semaphore::new(WAITING)), TaskTracker::new());
        let accepting = async {
            loop {
                // Beyond that they wait in the listener's queue.
                let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
                match listeners.next().await {
                    Ok((socket, peer)) => {
                        tasks.spawn(Arc::clone(&shared).serve(socket, peer, slot));
                    }
                    Err(error) => {
                        (shared.observer)(ProxyEvent::NotAccepted(error.to_string()));
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accepting => {}
            () = lanes.keep() => {}
            () = stopped(stop) => {}
        }
        drop(listeners);
        lanes.end();
        tasks.close();
        // Whoever was about to be answered is told that it is over.
        let _ = timeout(LAST_WORDS, tasks.wait()).await;
        node.end().await;
    }
}

impl Shared {
    async fn serve(
        self: Arc<Self>,
        mut socket: Box<dyn Socket>,
        peer: Peer,
        _slot: OwnedSemaphorePermit,
    ) {
        match ask(&mut socket).await {
            Ok(Wanted::Connection(request)) => self.lead(socket, peer, request).await,
            Ok(Wanted::Page { path, host, is_head }) => {
                let is_local =
                    matches!(peer, Peer::Tcp(from) if from.ip().to_canonical().is_loopback());
                let host = host.as_deref().filter(|_| is_local);
                let (status, content_type, body) = self.page(&path, host);
                hang_up(socket, &page(status, content_type, &body, is_head)).await;
            }
            Err(Unasked::Gone) => {}
            Err(Unasked::Misplaced { answer, why }) => {
                hang_up(socket, &answer).await;
                let error = Error::new(Kind::Usage, "what it said is no request").because(why);
                (self.observer)(ProxyEvent::NotServed { peer, destination: None, error });
            }
        }
    }

    async fn lead(&self, socket: Box<dyn Socket>, peer: Peer, request: ProxyRequest) {
        let ProxyRequest { destination, manner, ahead, rest, is_followed } = request;
        let spec = self.spec(&destination);
        match self.lanes.lease(&spec).await {
            Ok(lease) => {
                let (refusals, lane) = (lease.lane().refusals(), Arc::clone(lease.lane()));
                let not_reached = not_reached(&destination);
                let sent = (ahead, rest, is_followed);
                let socket = Answered::new(socket, manner, sent, not_reached, refusals, lease);
                lane.hand_over(Box::new(socket), peer).await;
            }
            Err(error) => {
                let answer = manner.failed(failure(&error), &error.to_string());
                hang_up(socket, &answer).await;
                let destination = Some(spec.destination());
                (self.observer)(ProxyEvent::NotServed { peer, destination, error });
            }
        }
    }

    /// What the node is asked for. Its own ports have another document.
    fn spec(&self, destination: &Destination) -> Spec {
        let host = destination.host();
        let is_node = is_loopback(host.strip_suffix('.').unwrap_or(host))
            || host.eq_ignore_ascii_case(&self.node_id);
        let host = (!is_node).then(|| host.to_owned());
        Spec { bind: Bind::Loopback, local_port: 0, host, port: destination.port() }
    }

    /// A page for somebody on this machine who calls it by a name of its own: its status, its type, and what
    /// it says.
    fn page(
        &self,
        path: &str,
        host: Option<&str>,
    ) -> (&'static str, &'static str, Cow<'static, str>) {
        let plain = "text/plain; charset=utf-8";
        match (path, host, self.address) {
            (PAC, Some(host), Some(address)) if is_of_this_machine(host) => {
                ("200 OK", "application/x-ns-proxy-autoconfig", self.pac.script(address).into())
            }
            (PAC, _, _) => ("403 Forbidden", plain, "ssmport: for this machine alone\n".into()),
            _ => (
                "404 Not Found",
                plain,
                "ssmport: this is a proxy, with a page at /proxy.pac\n".into(),
            ),
        }
    }
}

/// Why there is no request.
#[derive(Debug)]
enum Unasked {
    /// Its client has gone, or said nothing, as browsers do that connect in case they will want something.
    Gone,
    Misplaced {
        answer: Vec<u8>,
        why: String,
    },
}

async fn ask(socket: &mut Box<dyn Socket>) -> Result<Wanted, Unasked> {
    let mut reader = ProxyReader::default();
    match timeout(REQUEST_TAKES, read_request(socket, &mut reader)).await {
        Ok(asked) => asked,
        Err(_) if reader.has_begun() => Err(late()),
        Err(_) => Err(Unasked::Gone),
    }
}

async fn read_request(
    socket: &mut Box<dyn Socket>,
    reader: &mut ProxyReader,
) -> Result<Wanted, Unasked> {
    let mut buffer = vec![0; READ];
    loop {
        match reader.step() {
            Step::Serve(wanted) => return Ok(wanted),
            Step::HangUp(misplaced) => {
                return Err(Unasked::Misplaced { answer: misplaced.answer, why: misplaced.why });
            }
            Step::Answer(bytes) => {
                socket.write_all(bytes).await.map_err(|_| Unasked::Gone)?;
            }
            Step::More => match socket.read(&mut buffer).await {
                Ok(0) | Err(_) => return Err(Unasked::Gone),
                Ok(length) => reader.receive(&buffer[..length]),
            },
        }
    }
}

fn late() -> Unasked {
    let why = format!("it took longer than {} s", REQUEST_TAKES.as_secs());
    Unasked::Misplaced { answer: Vec::new(), why }
}

/// Sends a last answer and sees that it arrives: what the client has sent meanwhile would have the system
/// throw it away.
async fn hang_up(mut socket: Box<dyn Socket>, answer: &[u8]) {
    let last = async {
        socket.write_all(answer).await?;
        socket.shutdown().await?;
        let mut nowhere = vec![0; READ];
        let mut read = 0;
        while read < LONGEST {
            match socket.read(&mut nowhere).await? {
                0 => break,
                more => read += more,
            }
        }
        std::io::Result::Ok(())
    };
    let _ = timeout(HANGING_UP_TAKES, last).await;
}

fn failure(error: &Error) -> ProxyFailure {
    match error.kind() {
        Kind::Refused => ProxyFailure::NotAllowed,
        Kind::Unreachable => ProxyFailure::NoWay,
        Kind::Lost => ProxyFailure::Busy,
        _ => ProxyFailure::NoSession,
    }
}

/// What is told when the node cannot connect: it does not say why.
fn not_reached(destination: &Destination) -> (ProxyFailure, String) {
    match destination.is_address() || destination.host() == "localhost" {
        true => {
            (ProxyFailure::Refused, format!("the node cannot connect to {destination}: refused"))
        }
        false => {
            let why = "refused, or the name is not known there";
            let words = format!("the node cannot connect to {destination}: {why}");
            (ProxyFailure::NotReached, words)
        }
    }
}

/// Of a `Host` header: another name may be that of a page which has had its name lead here.
fn is_of_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    is_loopback(name.trim_start_matches('[').trim_end_matches(']'))
}

fn of_lane(destination: &str, event: DestinationEvent) -> ProxyEvent {
    let destination = destination.to_owned();
    match event {
        DestinationEvent::Session(event) => ProxyEvent::Session { destination, event },
        DestinationEvent::Idle(after) => ProxyEvent::Idle { destination, after },
        DestinationEvent::MadeRoom => ProxyEvent::MadeRoom { destination },
    }
}

const PAC: &str = "/proxy.pac";
/// Clients whose request is being read, or that wait for a session.
const WAITING: usize = 512;
const REQUEST_TAKES: Duration = Duration::from_secs(10);
const HANGING_UP_TAKES: Duration = Duration::from_secs(1);
const LAST_WORDS: Duration = Duration::from_millis(500);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const READ: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_no_stranger_and_who_stops_in_the_middle_is_one() {
        for (sent, is_stranger) in
            [(&b""[..], false), (b"GET http://", true), (b"\x05\x01\0", true)]
        {
            let (mut client, socket) = tokio::io::duplex(64);
            let mut socket: Box<dyn Socket> = Box::new(socket);
            client.write_all(sent).await.unwrap();
            let why = match ask(&mut socket).await {
                Err(Unasked::Misplaced { why, .. }) => Some(why),
                Err(Unasked::Gone) => None,
                Ok(wanted) => panic!("{wanted:?}"),
            };
            let late = is_stranger.then(|| "it took longer than 10 s".to_owned());
            assert_eq!(why, late, "{sent:?}");
        }
    }

    #[test]
    fn a_page_is_for_whoever_calls_this_machine_by_its_name() {
        for (host, is_own) in [
            ("localhost", true),
            ("LOCALHOST:1080", true),
            ("127.0.0.1:1080", true),
            ("[::1]:1080", true),
            ("evil.example:1080", false),
            ("127.0.0.1.evil.example", false),
            ("10.0.0.7:1080", false),
            ("", false),
        ] {
            assert_eq!(is_of_this_machine(host), is_own, "{host}");
        }
    }

    #[test]
    fn a_failure_has_the_code_that_tells_what_to_do() {
        for (kind, failed) in [
            (Kind::Refused, ProxyFailure::NotAllowed),
            (Kind::Unreachable, ProxyFailure::NoWay),
            (Kind::Lost, ProxyFailure::Busy),
            (Kind::Target, ProxyFailure::NoSession),
        ] {
            assert_eq!(failure(&Error::new(kind, "x")), failed);
        }
    }
}

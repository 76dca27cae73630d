//! One forwarded port: its listeners, its sessions, its end.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::{
    sync::watch,
    time::{sleep, sleep_until},
};

use super::{
    attachment::{self, Attachment},
    error::{Error, Kind},
    service::{Request, SessionSource},
    spec::Spec,
    spread::{LaneCount, LaneEvent, Spread},
};
use crate::{
    channel::Ready,
    net::{Application, now},
    session::{ChannelState, Limits, SessionEnd},
    streams::{
        Basic, Chosen, Forward, ForwardEvent, Listener, Listeners, Meter, PortKind, Stop, Timed,
    },
};

/// A port that is to be forwarded. Its sessions may come and go.
pub(crate) struct ForwardedPort {
    pub(crate) service: SessionSource,
    pub(crate) request: Request,
    pub(crate) listeners: Listeners,
    pub(crate) limits: Limits,
    /// Sessions at once.
    pub(crate) lanes: LaneCount,
    /// Becomes true when the tunnel is to end.
    pub(crate) stop: watch::Receiver<bool>,
    /// Is told whether the first session has a data channel.
    pub(crate) connection: watch::Sender<ChannelState>,
}

/// What becomes of a forwarded port.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TunnelEvent {
    /// A session stands; connections are accepted from now on.
    Ready(Ready),
    /// Something happened to a connection.
    Forward(ForwardEvent),
    /// The session is over; the next connection starts another one.
    Ended(SessionEnd),
    /// So it is, and it was lost on the way.
    Lost(Error),
    /// There is no session for a connection, which was turned away.
    NotReplaced(Error),
    /// Something happened to a further session of the forward.
    Lane {
        /// Its number; the forward's first session is 1.
        lane: u32,
        /// What it was.
        event: LaneEvent,
    },
    /// The node, or the account, has not what turbo takes: the forward goes on in the plain way.
    NoTurbo(Error),
}

impl Display for TunnelEvent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(_) => f.write_str("a session stands"),
            Self::Forward(event) => event.fmt(f),
            Self::Ended(end) => write!(f, "the session has ended: {end}"),
            Self::Lost(error) => write!(f, "the session was lost: {error}"),
            Self::NotReplaced(error) => write!(f, "no session for a connection: {error}"),
            Self::Lane { event, .. } => event.fmt(f),
            Self::NoTurbo(error) => write!(f, "no turbo: {error}"),
        }
    }
}

impl ForwardedPort {
    /// Forwards until it is stopped. A session that is lost is replaced when the next connection
    /// comes: a tunnel that nobody uses starts no sessions.
    ///
    /// # Errors
    /// When the first session cannot be had. What keeps a later one from being had
    /// may be over when the next connection comes: an expired login, a service that restarts.
    pub(crate) async fn run(
        &mut self,
        observer: impl FnMut(TunnelEvent) + Send,
    ) -> Result<SessionEnd, Error> {
        if self.lanes == LaneCount::ONE {
            return self.by_turns(observer).await;
        }
        let observer = Mutex::new(observer);
        let tell = |event| observer.lock().unwrap_or_else(PoisonError::into_inner)(event);
        let (spread, back) = Spread::new(self.lanes);
        self.listeners.place_by(spread.place(), back);
        let lanes = {
            let (service, request, limits) =
                (self.service.clone(), self.request.clone(), self.limits);
            let port = move |within, stop| {
                let listeners = Listeners::new(vec![Listener::Within(within)]);
                let (service, request) = (service.clone(), request.clone());
                let (lanes, connection) = (LaneCount::ONE, watch::Sender::default());
                Self { service, request, listeners, limits, lanes, stop, connection }
            };
            spread.run(port, self.stop.clone(), tell)
        };
        let first = async {
            let ended = self.by_turns(tell).boxed().await;
            spread.end();
            ended
        };
        let (ended, ()) = tokio::join!(first, lanes);
        self.listeners.place_no_more();
        ended
    }

    /// Forwards by one session after the other.
    async fn by_turns(
        &mut self,
        mut observer: impl FnMut(TunnelEvent) + Send,
    ) -> Result<SessionEnd, Error> {
        let mut has_stood = false;
        loop {
            let (mut life, began) = (Life::default(), now());
            let ended = self.session(&mut observer, &mut life).await;
            let lasted = life.was_of_use(now());
            match ended {
                Ok(SessionEnd::Done) => return ended,
                // Something is wrong with it that another one would have, too.
                ended if !has_stood && life.since.is_none() => return ended,
                ended => observer(told(ended, life.since.is_some())),
            }
            has_stood = true;
            if !lasted {
                // Or one connection would start session after session.
                self.listeners.turn_away();
            }
            if !self.connection(next_start(began, lasted, now()), &mut observer).await {
                return Ok(SessionEnd::Done);
            }
        }
    }

    /// Forwards by one session, which is not replaced; whether it has ever stood.
    pub(crate) async fn once(
        &mut self,
        mut observer: impl FnMut(TunnelEvent) + Send,
    ) -> (Result<SessionEnd, Error>, bool) {
        let mut life = Life::default();
        let ended = self.session(&mut observer, &mut life).await;
        (ended, life.since.is_some())
    }

    /// Waits for a connection, not before some time has come; `false` when it is stopped.
    pub(super) async fn connection(
        &mut self,
        not_before: Instant,
        observer: &mut impl FnMut(TunnelEvent),
    ) -> bool {
        let stop = stopped(self.stop.clone());
        let come = async {
            sleep_until(not_before.into()).await;
            // One that has gone again, or for which there is no file descriptor, is not the last.
            while let Err(error) = self.listeners.connection().await {
                observer(TunnelEvent::Forward(ForwardEvent::NotAccepted(error.to_string())));
                sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = come => true,
            () = stop => false,
        }
    }

    /// Starts a session and forwards until it ends.
    async fn session(
        &mut self,
        observer: &mut (impl FnMut(TunnelEvent) + Send),
        life: &mut Life,
    ) -> Result<SessionEnd, Error> {
        let Self { service, request, listeners, limits, stop, connection, .. } = self;
        let stop = || -> Stop { Box::pin(stopped(stop.clone())) };
        let Some(ticket) = attachment::start(service, request, stop()).await? else {
            return Ok(SessionEnd::Done);
        };
        let _kept = service.keep(&ticket.session_id);
        let stop_forward = stop();
        let meter = listeners.meter().cloned();
        let choose = |ready: &Ready| {
            let kind = match PortKind::of(ready) {
                Some(PortKind::Stream) => {
                    return Err("the session is a single stream, not port forwarding".into());
                }
                Some(kind) => kind,
                None => {
                    let name = ready.session_type.name();
                    let what = format!("the agent offers a {name} session, not port forwarding");
                    return Err(what.into());
                }
            };
            life.since = Some(now());
            observer(TunnelEvent::Ready(ready.clone()));
            let observer = |event| {
                life.has_connected |= matches!(event, ForwardEvent::Accepted(_));
                observer(TunnelEvent::Forward(event));
            };
            Ok(match kind {
                PortKind::Basic => {
                    let basic = Basic::new(listeners, stop_forward, observer);
                    timed(basic.with_answer_patience(limits.answer), meter)
                }
                _ => {
                    let forward = Forward::new(listeners, ready, stop_forward, observer);
                    timed(forward.with_answer_patience(limits.answer), meter)
                }
            })
        };
        let control_plane = service.control_plane();
        let mut streams = Chosen::new(stop(), Box::new(choose));
        let attachment = Attachment {
            ticket,
            control_plane: &*control_plane,
            is_patient: false,
            limits: *limits,
            stop: stop(),
            connection: connection.clone(),
        };
        let end = attachment.run(&mut streams).await?;
        match streams.failure() {
            Some(why) => Err(Error::new(Kind::Target, "the node cannot forward this").because(why)),
            None => Ok(end),
        }
    }
}

/// With its round trip noted where somebody counts.
fn timed<'a>(
    application: impl Application + Send + 'a,
    meter: Option<Arc<Meter>>,
) -> Box<dyn Application + Send + 'a> {
    match meter {
        Some(meter) => Box::new(Timed::new(application, meter)),
        None => Box::new(application),
    }
}

/// What there was of a session.
#[derive(Default)]
struct Life {
    /// When it stood.
    since: Option<Instant>,
    /// A connection came.
    has_connected: bool,
}

impl Life {
    fn was_of_use(&self, now: Instant) -> bool {
        self.has_connected || self.since.is_some_and(|since| now >= since + SHORT_LIFE)
    }
}

/// What the observer is told of a session's end, behind which the tunnel goes on.
fn told(ended: Result<SessionEnd, Error>, has_stood: bool) -> TunnelEvent {
    match ended {
        Ok(end) if has_stood => TunnelEvent::Ended(end),
        Err(failure) if has_stood => TunnelEvent::Lost(failure),
        Ok(end) => {
            let failure = Error::new(Kind::Lost, "the session ended as it began");
            TunnelEvent::NotReplaced(failure.because(end))
        }
        Err(failure) => TunnelEvent::NotReplaced(failure),
    }
}

/// When another session may be started behind one that began and lasted so, and is over `now`.
fn next_start(began: Instant, lasted: bool, now: Instant) -> Instant {
    if lasted { began + PAUSE } else { now + PAUSE }
}

/// What StartSession is asked for.
pub(crate) fn request(spec: &Spec, local_port: u16, reason: Option<String>) -> Request {
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
    Request { document: Some(document.into()), parameters, reason }
}

/// Waits until it is to end.
pub(super) async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that nobody can stop us any more: then we are to end, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A first session that ends within this time, unused, has something wrong with it.
const SHORT_LIFE: Duration = Duration::from_secs(5);
/// Between the starts of two sessions, and behind one that did not last or could not be had: a
/// program that connects again and again must not start as many sessions.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::ServiceError;

    #[test]
    fn a_connection_whose_session_never_stood_has_none() {
        let closed = || SessionEnd::Closed { reason: "no more sessions".to_owned() };
        for (end, why) in [
            (closed(), "no more sessions"),
            (SessionEnd::TimedOut, "the service says that it is over"),
        ] {
            let TunnelEvent::NotReplaced(failure) = told(Ok(end), false) else { panic!("{why}") };
            assert_eq!(failure.why.as_deref(), Some(why));
        }
        let unavailable = Error::from(ServiceError::Unavailable);
        let refused = || Error::new(Kind::Refused, "no credentials");
        for failure in [unavailable, refused()] {
            assert!(matches!(told(Err(failure), false), TunnelEvent::NotReplaced(_)));
        }

        assert!(matches!(told(Ok(closed()), true), TunnelEvent::Ended(_)));
        assert!(matches!(told(Err(refused()), true), TunnelEvent::Lost(_)));
    }

    #[test]
    fn sessions_are_not_started_in_a_rush() {
        let began = now();
        let soon = began + PAUSE / 10;
        assert_eq!(next_start(began, true, soon), began + PAUSE, "it was used, and broke");
        assert_eq!(next_start(began, false, soon), soon + PAUSE);
        let late = began + 100 * PAUSE;
        assert!(next_start(began, true, late) <= late, "after a long life there is no pause");
    }

    #[test]
    fn remote_hosts_have_a_document_of_their_own() {
        let near = request(&"1:5432".parse().unwrap(), 1, None);
        assert_eq!(near.document.as_deref(), Some("AWS-StartPortForwardingSession"));
        assert_eq!(near.parameters["portNumber"], ["5432"]);
        assert!(!near.parameters.contains_key("host"));
        let far = request(&"1:db:5432".parse().unwrap(), 1, None);
        assert_eq!(far.document.as_deref(), Some("AWS-StartPortForwardingSessionToRemoteHost"));
        assert_eq!(far.parameters["host"], ["db"]);
    }
}

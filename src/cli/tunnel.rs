//! One forwarded port: its listeners, its sessions, its end.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::sleep_until};

use super::{
    attachment::Attachment,
    failure::{Code, Failure},
    service::{Request, Service},
    spec::Spec,
};
use crate::{
    channel::Ready,
    net::now,
    session::{Limits, SessionEnd},
    streams::{Basic, Chosen, Forward, ForwardEvent, Listeners, PortKind, Stop},
};

/// A port that is to be forwarded. Its sessions may come and go.
pub(super) struct Tunnel {
    pub(super) service: Service,
    pub(super) request: Request,
    pub(super) listeners: Listeners,
    pub(super) limits: Limits,
    /// Becomes true when the tunnel is to end.
    pub(super) stop: watch::Receiver<bool>,
}

/// What a tunnel tells its observer.
#[derive(Debug)]
pub(super) enum TunnelEvent {
    /// A session stands; connections are accepted from now on.
    Ready(Ready),
    /// Something happened to a connection.
    Forward(ForwardEvent),
    /// The session is over; the next connection starts another one.
    Ended(SessionEnd),
    /// So it is, and it was lost on the way.
    Lost(Failure),
    /// There is no session for a connection, which was turned away.
    NotReplaced(Failure),
}

impl Tunnel {
    /// Forwards until it is stopped. A session that is lost is replaced when the next connection
    /// comes: a tunnel that nobody uses starts no sessions.
    ///
    /// # Errors
    /// When the first session cannot be had or does not last, or a later one is refused.
    pub(super) async fn run(
        mut self,
        mut observer: impl FnMut(TunnelEvent) + Send,
    ) -> Result<SessionEnd, Failure> {
        let mut has_stood = false;
        let mut not_before = now();
        loop {
            let mut life = Life::default();
            let ended = self.session(&mut observer, &mut life).await;
            let lasted = life.was_of_use(now());
            match ended {
                Ok(SessionEnd::Done) => return ended,
                // Something is wrong with it that another one would have, too.
                ended if !has_stood && !lasted => return ended,
                Ok(end) => observer(TunnelEvent::Ended(end)),
                Err(failure) if life.since.is_some() => observer(TunnelEvent::Lost(failure)),
                Err(failure) if matches!(failure.code, Code::Lost | Code::Target) => {
                    self.listeners.turn_away();
                    observer(TunnelEvent::NotReplaced(failure));
                }
                Err(failure) => return Err(failure),
            }
            has_stood = true;
            let pause = if lasted { Duration::ZERO } else { PAUSE };
            not_before = not_before.max(now() + pause);
            if !self.connection(not_before).await? {
                return Ok(SessionEnd::Done);
            }
        }
    }

    /// Waits for a connection, not before some time has come; `false` when it is stopped.
    async fn connection(&mut self, not_before: Instant) -> Result<bool, Failure> {
        let stop = stopped(self.stop.clone());
        let come = async {
            sleep_until(not_before.into()).await;
            self.listeners.connection().await.map(|_| ())
        };
        tokio::select! {
            come = come => come.map(|()| true).map_err(|error| {
                Failure::local("no connection can be taken any more").because(error)
            }),
            () = stop => Ok(false),
        }
    }

    /// Starts a session and forwards until it ends.
    async fn session(
        &mut self,
        observer: &mut (impl FnMut(TunnelEvent) + Send),
        life: &mut Life,
    ) -> Result<SessionEnd, Failure> {
        let Self { service, request, listeners, limits, stop } = self;
        let stop = || stopped(stop.clone());
        let ticket = tokio::select! {
            ticket = service.start(request) => ticket?,
            () = stop() => return Ok(SessionEnd::Done),
        };
        let stop_forward = stop();
        let choose = |ready: &Ready| {
            let kind = PortKind::of(ready);
            life.since = Some(now());
            observer(TunnelEvent::Ready(ready.clone()));
            let observer = |event| {
                life.has_connected |= matches!(event, ForwardEvent::Accepted(_));
                observer(TunnelEvent::Forward(event));
            };
            match kind {
                Some(PortKind::Multiplexed) => {
                    Ok(Box::new(Forward::new(listeners, ready, stop_forward, observer)) as _)
                }
                Some(PortKind::Basic) => {
                    Ok(Box::new(Basic::new(listeners, stop_forward, observer)) as _)
                }
                Some(PortKind::Stream) => {
                    Err("the session is a single stream, not port forwarding".to_owned())
                }
                None => {
                    let name = ready.session_type.name();
                    Err(format!("the agent offers a {name} session, not port forwarding"))
                }
            }
        };
        let control_plane = service.control_plane();
        let mut streams = Chosen::new(stop(), Box::new(choose));
        let attachment = Attachment {
            ticket,
            control_plane: &*control_plane,
            is_patient: false,
            limits: *limits,
            stop: stop(),
        };
        let end = attachment.run(&mut streams).await?;
        match streams.failure() {
            Some(why) => {
                Err(Failure::new(Code::Target, "the node cannot forward this").because(why))
            }
            None => Ok(end),
        }
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

/// Why a session is over, for the user.
pub(super) fn words(end: SessionEnd) -> String {
    match end {
        SessionEnd::Done => "it was ended from this side".to_owned(),
        SessionEnd::Closed { reason } if reason.is_empty() => "the service closed it".to_owned(),
        SessionEnd::Closed { reason } => reason,
        SessionEnd::TimedOut => "the service says that it is over".to_owned(),
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
    Request { document: Some(document.into()), parameters, reason }
}

fn stopped(mut stop: watch::Receiver<bool>) -> Stop {
    Box::pin(async move {
        // An error means that nobody can stop us any more: then we are to end, too.
        let _ = stop.wait_for(|stop| *stop).await;
    })
}

/// A first session that ends within this time, unused, has something wrong with it.
const SHORT_LIFE: Duration = Duration::from_secs(5);
/// Behind a session that did not last, or could not be had: a program that connects again and
/// again must not start as many sessions.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

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

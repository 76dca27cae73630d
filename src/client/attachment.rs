//! A session from its ticket to its end.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    error::Error,
    service::{Request, SessionSource},
};
use crate::{
    session::{ChannelState, ControlPlane, Limits, Session, SessionEnd, SessionError, Ticket},
    streams::{Chosen, Stop},
    wire::Version,
};

/// Our version, in the reference client's numbering: the one whose behaviour we have. It is what
/// agents decide by.
pub(crate) const CLIENT_VERSION: &str = "1.2.835.0";

/// StartSession, unless it is to stop: then there is none. One that the service starts all the same
/// is ended again, or it would stand there until it has been idle for too long.
pub(crate) async fn start(
    service: &SessionSource,
    request: &Request,
    stop: Stop,
) -> Result<Option<Ticket>, Error> {
    let start = service.start(request);
    tokio::pin!(start);
    tokio::select! {
        ticket = &mut start => return ticket.map(Some),
        () = stop => {}
    }
    if let Ok(Ok(ticket)) = timeout(START_TIMEOUT, start).await {
        terminate(&*service.control_plane(), &ticket.session_id).await;
    }
    Ok(None)
}

/// A session that is to be attached to.
pub(crate) struct Attachment<'a> {
    pub(crate) ticket: Ticket,
    pub(crate) control_plane: &'a dyn ControlPlane,
    /// Whether the session may begin without a handshake, and with a long silence.
    pub(crate) is_patient: bool,
    pub(crate) limits: Limits,
    pub(crate) stop: Stop,
    /// Is told whether there is a data channel.
    pub(crate) connection: watch::Sender<ChannelState>,
}

impl Attachment<'_> {
    /// Runs `streams` until the session ends or is stopped.
    pub(crate) async fn run(self, streams: &mut Chosen<'_>) -> Result<SessionEnd, SessionError> {
        let session_id = self.ticket.session_id.clone();
        let session = Session::new(&session_id, CLIENT_VERSION, self.control_plane);
        let session = session.with_limits(self.limits).with_connection(self.connection);
        let session = if self.is_patient { session.with_patience() } else { session };
        let unheard = unheard(self.stop, session.connection());
        let end = tokio::select! {
            end = session.run(self.ticket, streams) => end?,
            () = unheard => {
                terminate(self.control_plane, &session_id).await;
                return Ok(SessionEnd::Done);
            }
        };
        if end == SessionEnd::Done && !has_understood(streams) {
            terminate(self.control_plane, &session_id).await;
        }
        Ok(end)
    }
}

/// Whether the agent has understood that the session is to end. One that sent no handshake has
/// not told its version.
fn has_understood(streams: &Chosen<'_>) -> bool {
    let version = streams.peer().and_then(|peer| peer.version());
    // What comes right behind the handshake may be thrown away.
    streams.failure().is_none() && version > Some(LAST_WITHOUT_TERMINATE)
}

/// Ends a session whose data channel cannot say so, if the service answers soon.
async fn terminate(control_plane: &dyn ControlPlane, session_id: &str) {
    let _ = timeout(TERMINATE_TIMEOUT, control_plane.terminate(session_id)).await;
}

/// Resolves when a stop does not come through: there is no connection, before the first or between
/// two, or the other side has had its time.
async fn unheard(stop: Stop, mut connection: watch::Receiver<ChannelState>) {
    stop.await;
    tokio::select! {
        () = sleep(STOP_TIMEOUT) => {}
        Ok(_) = connection.wait_for(|connection| !connection.stands()) => {}
    }
}

/// What an answer takes that is under way.
const START_TIMEOUT: Duration = Duration::from_secs(1);
/// Agents up to this version do not know the flag that ends a session.
const LAST_WITHOUT_TERMINATE: Version = Version::new(2, 3, 722, 0);
/// A little more than a session in good order takes to end.
const STOP_TIMEOUT: Duration = Duration::from_millis(2500);
/// Whoever pressed Ctrl-C does not wait long for a service that may be gone.
const TERMINATE_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::{
        future::ready,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use http::{HeaderMap, Uri};
    use tokio::net::TcpListener;

    use super::*;
    use crate::{
        net::now,
        session::{Pending, Refusal},
        wire::Token,
    };

    /// Counts how often it was told that the session is over.
    #[derive(Default)]
    struct Terminations(AtomicUsize);

    impl ControlPlane for Terminations {
        fn resume<'a>(&'a self, _: &'a str) -> Pending<'a, Result<Option<Ticket>, Refusal>> {
            Box::pin(ready(Ok(None)))
        }

        fn terminate<'a>(&'a self, _: &'a str) -> Pending<'a, Result<(), Refusal>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(ready(Ok(())))
        }

        fn sign<'a>(&'a self, _: &'a Uri) -> Pending<'a, HeaderMap> {
            Box::pin(async { HeaderMap::new() })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_does_not_wait_for_a_connection_that_there_is_not() {
        // The system takes the connection, and nobody ever answers the upgrade.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Terminations::default();
        let attachment = Attachment {
            ticket: Ticket {
                session_id: "s-1".to_owned(),
                stream_url: format!("ws://{}/s", silent.local_addr().unwrap()),
                token: Token::new("token"),
            },
            control_plane: &service,
            is_patient: false,
            limits: Limits::default(),
            stop: Box::pin(sleep(Duration::from_secs(3))),
            connection: watch::Sender::default(),
        };
        let choose = Box::new(|_: &_| Err("nothing stands".into()));
        let mut streams = Chosen::new(Box::pin(sleep(Duration::from_secs(3))), choose);
        let began = now();
        assert_eq!(attachment.run(&mut streams).await.unwrap(), SessionEnd::Done);
        let took = now() - began;
        assert!(took < Duration::from_secs(3) + STOP_TIMEOUT / 2, "{took:?}");
        assert_eq!(service.0.load(Ordering::Relaxed), 1);
    }
}

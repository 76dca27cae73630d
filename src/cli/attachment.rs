//! A session from its ticket to its end.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{
    failure::Failure,
    service::{Request, Service},
};
use crate::{
    session::{ControlPlane, Limits, Session, SessionEnd, SessionError, Ticket},
    streams::{Chosen, Stop},
    wire::Version,
};

/// Our version, in the reference client's numbering: the one whose behaviour we have. It is what
/// agents decide by.
pub(super) const CLIENT_VERSION: &str = "1.2.835.0";

/// StartSession, unless it is to stop: then there is none. One that the service starts all the same
/// is ended again, or it would stand there until it has been idle for too long.
pub(super) async fn start(
    service: &Service,
    request: &Request,
    stop: Stop,
) -> Result<Option<Ticket>, Failure> {
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
pub(super) struct Attachment<'a> {
    pub(super) ticket: Ticket,
    pub(super) control_plane: &'a dyn ControlPlane,
    /// Whether the session may begin without a handshake, and with a long silence.
    pub(super) is_patient: bool,
    pub(super) limits: Limits,
    pub(super) stop: Stop,
}

impl Attachment<'_> {
    /// Runs `streams` until the session ends or is stopped.
    pub(super) async fn run(self, streams: &mut Chosen<'_>) -> Result<SessionEnd, SessionError> {
        let session_id = self.ticket.session_id.clone();
        let session = Session::new(&session_id, CLIENT_VERSION, self.control_plane);
        let session = session.with_limits(self.limits);
        let session = if self.is_patient { session.with_patience() } else { session };
        let end = tokio::select! {
            end = session.run(self.ticket, streams) => end?,
            // The session may be between two connections, and not hear of the stop.
            () = stopped_for(self.stop, STOP_TIMEOUT) => {
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

async fn stopped_for(stop: Stop, time: Duration) {
    stop.await;
    sleep(time).await;
}

/// What an answer takes that is under way.
const START_TIMEOUT: Duration = Duration::from_secs(1);
/// Agents up to this version do not know the flag that ends a session.
const LAST_WITHOUT_TERMINATE: Version = Version::new(2, 3, 722, 0);
/// A little more than a session in good order takes to end.
const STOP_TIMEOUT: Duration = Duration::from_millis(2500);
/// Whoever pressed Ctrl-C does not wait long for a service that may be gone.
const TERMINATE_TIMEOUT: Duration = Duration::from_secs(1);

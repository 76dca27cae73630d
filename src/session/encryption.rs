//! The data key of an encrypted session: asked for while the session's one task goes on.

use std::{
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::time::timeout;

use super::{ControlPlane, Pending, Refusal};
use crate::{
    channel::{Channel, Event, NoDataKey},
    net::{Application, ApplicationError, Turn, now},
    wire::encryption::DataKey,
};

/// What KMS is asked for on a session's behalf.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DataKeyRequest {
    /// The session, part of the encryption context.
    pub session_id: String,
    /// The key that the data key is to be encrypted with, as the agent names it.
    pub key_id: String,
    /// The agent's random challenge, part of the encryption context if there is one.
    pub challenge: Option<String>,
}

/// An application whose channel gets its data key from the control plane. What else a channel tells
/// that is the session's matter, and not the application's, stays here, too.
pub(super) struct WithDataKey<'a, 'b, A> {
    application: &'b mut A,
    control_plane: &'a dyn ControlPlane,
    session_id: String,
    pending: Option<Pending<'a, Result<DataKey, Refusal>>>,
    refusal: Option<Refusal>,
    /// When the user is told that the node has not begun; `None` once it has, or that was said.
    notice: Option<Instant>,
}

impl<'a, 'b, A> WithDataKey<'a, 'b, A> {
    pub(super) fn new(
        application: &'b mut A,
        control_plane: &'a dyn ControlPlane,
        session_id: &str,
    ) -> Self {
        let session_id = session_id.to_owned();
        let notice = Some(now() + NOTICE);
        Self { application, control_plane, session_id, pending: None, refusal: None, notice }
    }

    /// Why there is no data key, if the session was to have one.
    pub(super) fn take_refusal(&mut self) -> Option<Refusal> {
        self.refusal.take()
    }

    fn ask(&mut self, key_id: String, challenge: Option<String>) {
        let request = DataKeyRequest { session_id: self.session_id.clone(), key_id, challenge };
        let control_plane = self.control_plane;
        self.pending = Some(Box::pin(async move {
            tracing::debug!(session = request.session_id, key = request.key_id, "asking KMS");
            let key = timeout(DATA_KEY_TIMEOUT, control_plane.data_key(&request)).await;
            key.unwrap_or_else(|_| Err(too_late(&request.key_id)))
        }));
    }

    fn say_that_nothing_came(&mut self, now: Instant) {
        if self.notice.take_if(|when| now >= *when).is_some() {
            let (session, seconds) = (&self.session_id, NOTICE.as_secs());
            tracing::warn!(
                target: WAITING,
                session,
                "the node has not begun the session for {seconds} s; still waiting"
            );
        }
    }

    fn poll_key(&mut self, cx: &mut Context<'_>, channel: &mut Channel, now: Instant) {
        let Some(pending) = &mut self.pending else { return };
        let Poll::Ready(key) = pending.as_mut().poll(cx) else { return };
        self.pending = None;
        let key = key.map_err(|refusal| NoDataKey(self.refusal.insert(refusal).message.clone()));
        channel.handle_data_key(key, rand::random(), now);
    }
}

impl<A: Application> Application for WithDataKey<'_, '_, A> {
    fn can_receive(&self) -> bool {
        self.application.can_receive()
    }

    fn is_drained(&self) -> bool {
        self.application.is_drained()
    }

    fn is_patient(&self) -> bool {
        self.application.is_patient()
    }

    fn has_last_word(&self) -> bool {
        self.application.has_last_word()
    }

    fn handle_event(
        &mut self,
        event: Event,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<(), ApplicationError> {
        self.notice = None;
        match event {
            Event::GenerateDataKey { key_id, challenge } => {
                self.ask(key_id, challenge);
                Ok(())
            }
            // The user may know whether the destination is to read.
            Event::Unacknowledged { after } => {
                let session = &self.session_id;
                let seconds = after.as_secs();
                tracing::warn!(session, "nothing was acknowledged for {seconds} s; still trying");
                Ok(())
            }
            event => self.application.handle_event(event, channel, now),
        }
    }

    fn handle_reconnected(&mut self, now: Instant) {
        self.application.handle_reconnected(now);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, ApplicationError> {
        self.say_that_nothing_came(now);
        self.poll_key(cx, channel, now);
        let turn = self.application.poll(cx, channel, now)?;
        // What the agent is told has yet to be sent.
        Ok(if self.refusal.is_some() { Turn::Done } else { turn })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.notice.into_iter().chain(self.application.poll_timeout()).min()
    }
}

fn too_late(key_id: &str) -> Refusal {
    let seconds = DATA_KEY_TIMEOUT.as_secs();
    let message = format!("no data key of {key_id} within {seconds} s, and the agent waits for 15");
    Refusal { message, is_temporary: true }
}

/// Where the lines go that a node or a service keeps its user waiting: programs that show no others show
/// these.
pub const WAITING: &str = "ssmport::waiting";
const NOTICE: Duration = Duration::from_secs(10);
/// The real agent gives up 15 s after its request, which may have been under way for a while.
const DATA_KEY_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;

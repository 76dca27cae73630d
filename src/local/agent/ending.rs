//! How a session comes to its end: what was sent has two seconds to be acknowledged, then the
//! channel is closed.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::super::session::{DataChannel, SessionState};
use crate::{channel::Channel, net::Turn};

/// Watches over the end of one session.
pub(super) struct Ending {
    session_id: String,
    target: String,
    terminated: Pin<Box<dyn Future<Output = ()> + Send>>,
    limit: Duration,
    reason: String,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Open,
    /// The session is to end once everything is delivered, or at this time.
    Draining(Instant),
    Over,
}

impl Ending {
    /// With the real agent's time limit, or with one that only bounds what a client that is gone
    /// costs.
    pub(super) fn new(data_channel: &DataChannel, drain_limit: bool) -> Self {
        let mut state = data_channel.state.clone();
        let terminated = async move {
            // An error means that the endpoint is gone: then the session is over, too.
            let _ = state.wait_for(|state| *state == SessionState::Terminated).await;
        };
        Self {
            session_id: data_channel.session_id.clone(),
            target: data_channel.target.clone(),
            terminated: Box::pin(terminated),
            limit: if drain_limit { DRAIN_LIMIT } else { PATIENT_LIMIT },
            reason: String::new(),
            phase: Phase::Open,
        }
    }

    /// The session that ends, for the log.
    pub(super) fn session_id(&self) -> &str {
        &self.session_id
    }

    /// The session's node, or its container.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// Lets the session end, in good order.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.phase == Phase::Open {
            self.phase = Phase::Draining(now + self.limit);
        }
    }

    /// Lets the session end for a reason that its user is to read.
    pub(super) fn begin_because(&mut self, reason: String, now: Instant) {
        if self.phase == Phase::Open {
            tracing::warn!(session = self.session_id, "{reason}");
            self.reason = reason;
        }
        self.begin(now);
    }

    /// Whether the session is ending; it does so by itself once TerminateSession was called.
    pub(super) fn poll_begun(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if self.phase == Phase::Open && self.terminated.as_mut().poll(cx) == Poll::Ready(()) {
            self.begin(now);
        }
        self.phase != Phase::Open
    }

    /// The turn of an application whose session is ending: closes the channel when the
    /// application is `drained` and its client has acknowledged everything, or when time is up.
    pub(super) fn close(&mut self, channel: &mut Channel, drained: bool, now: Instant) -> Turn {
        let Phase::Draining(deadline) = self.phase else { return Turn::Done };
        if !(drained && channel.is_drained()) && now < deadline {
            return Turn::Idle;
        }
        channel.announce_end(&self.session_id, &self.target, &self.reason, now);
        self.phase = Phase::Over;
        Turn::Done
    }

    /// When its application is to be polled again: at `open` while the session is open, then when
    /// time is up.
    pub(super) fn poll_timeout(&self, open: Option<Instant>) -> Option<Instant> {
        match self.phase {
            Phase::Open => open,
            Phase::Draining(deadline) => Some(deadline),
            Phase::Over => None,
        }
    }
}

/// As long as the real agent waits for its last messages to be acknowledged.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
const PATIENT_LIMIT: Duration = Duration::from_secs(60);

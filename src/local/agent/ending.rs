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
    Draining {
        /// The session is to end once everything is delivered, or at this time.
        deadline: Instant,
        /// By then all has to be on its way.
        give_up: Instant,
    },
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
    #[cfg(unix)]
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// Lets the session end, in good order.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.phase == Phase::Open {
            self.phase =
                Phase::Draining { deadline: now + self.limit, give_up: now + PATIENT_LIMIT };
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
    ///
    /// What a connection that was stuck, or has broken, still holds back cannot be acknowledged, and
    /// the word that the session is over must not overtake it: its time begins when it is on its way.
    pub(super) fn close(&mut self, channel: &mut Channel, drained: bool, now: Instant) -> Turn {
        let Phase::Draining { deadline, give_up } = &mut self.phase else { return Turn::Done };
        if !(drained && channel.is_drained()) && now < *deadline {
            return Turn::Idle;
        }
        if !channel.is_handed_on() && now < *give_up {
            *deadline = (now + self.limit).min(*give_up);
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
            Phase::Draining { deadline, .. } => Some(deadline),
            Phase::Over => None,
        }
    }
}

/// As long as the real agent waits for its last messages to be acknowledged.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
const PATIENT_LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;
    use crate::{
        channel::{Config, Event, Role},
        local::document::Workload,
        wire::{Packet, PayloadType},
    };

    /// A session that is to end, with its last output still to be sent.
    struct Session {
        agent: Channel,
        client: Channel,
        ending: Ending,
        begun: Instant,
        _state: watch::Sender<SessionState>,
    }

    impl Session {
        fn ending() -> Self {
            let (endpoint, state) = watch::channel(SessionState::Connected);
            let workload = Workload::from_document("AWS-StartInteractiveCommand", &{
                [("command".to_owned(), vec!["true".to_owned()])].into()
            });
            let data_channel = DataChannel {
                session_id: "s-1".to_owned(),
                target: "i-1".to_owned(),
                workload: workload.unwrap(),
                opening: 1,
                number: 0,
                state,
            };
            let begun = crate::net::now();
            let agent = Config::new(Role::Agent { session: None }, "3.3.3050.0", 1, 1);
            let mut agent = Channel::new(agent, begun);
            for part in ["the last", " words"] {
                agent.send(PayloadType::Output, Packet::copy_from(part.as_bytes()), begun);
            }
            let mut ending = Ending::new(&data_channel, true);
            ending.begin(begun);
            let client = Config::new(Role::Client, "1.2.835.0", 1, 2);
            let client = Channel::new(client, begun);
            Self { agent, client, ending, begun, _state: endpoint }
        }

        fn close(&mut self, after: Duration) -> Turn {
            let now = self.begun + after;
            let turn = self.ending.close(&mut self.agent, true, now);
            assert!(self.ending.poll_timeout(None).is_none_or(|next| next > now), "a busy loop");
            turn
        }

        /// What reaches the client, if anything does; nothing comes back.
        fn transmit(&mut self, after: Duration, arrives: bool) -> String {
            let now = self.begun + after;
            while let Some(frame) = self.agent.poll_transmit(now) {
                if arrives {
                    self.client.handle_frame(frame, now).unwrap();
                }
            }
            let mut heard = String::new();
            while let Some(event) = self.client.poll_event() {
                match event {
                    Event::Data { payload, .. } => heard += &String::from_utf8_lossy(&payload),
                    Event::Closed { .. } => heard += ", closed",
                    _ => {}
                }
            }
            heard
        }
    }

    const STALL: Duration = Duration::from_secs(3);

    #[test]
    fn the_end_does_not_overtake_what_a_stuck_connection_held_back() {
        let mut session = Session::ending();
        assert_eq!(session.close(Duration::ZERO), Turn::Idle);
        assert_eq!(session.close(STALL), Turn::Idle);
        assert_eq!(session.transmit(STALL, true), "the last words");
        assert_eq!(session.close(STALL + DRAIN_LIMIT), Turn::Done, "it was not acknowledged");
        assert_eq!(session.transmit(STALL + DRAIN_LIMIT, true), ", closed");
    }

    #[test]
    fn nor_what_was_lost_with_a_connection() {
        let mut session = Session::ending();
        session.transmit(Duration::ZERO, false);
        session.agent.handle_reconnected(session.begun + STALL);
        assert_eq!(session.close(STALL), Turn::Idle);
        let mut heard = String::new();
        for ms in 0..2000 {
            let after = STALL + Duration::from_millis(ms);
            session.agent.handle_timeout(session.begun + after).unwrap();
            heard += &session.transmit(after, true);
        }
        assert_eq!(heard, "the last words");
        assert_eq!(session.close(STALL + DRAIN_LIMIT), Turn::Done);
        assert_eq!(session.transmit(STALL + DRAIN_LIMIT, true), ", closed");
    }

    #[test]
    fn a_client_that_takes_nothing_is_not_waited_for_for_ever() {
        let mut session = Session::ending();
        let mut turn = Turn::Idle;
        let mut waited = Duration::ZERO;
        while turn == Turn::Idle {
            waited = session.ending.poll_timeout(None).unwrap() - session.begun;
            turn = session.close(waited);
        }
        assert_eq!(waited, PATIENT_LIMIT);
    }
}

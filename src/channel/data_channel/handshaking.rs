//! The channel's part in the handshake, for both roles.

use std::time::{Duration, Instant};

use super::Channel;
use crate::{
    channel::{
        ChannelError, EARLY, Event, Ready,
        handshake::{self, Progress},
        timer::Timer,
    },
    wire::{
        PayloadType, Version,
        handshake::{HandshakeComplete, SessionType, SessionTypeParameters},
    },
};

impl Channel {
    pub(super) fn ask_for_handshake(&mut self, session: &SessionTypeParameters, now: Instant) {
        let request = handshake::request(&self.config.version, session);
        self.progress = Progress::AwaitingResponse(Ready {
            session_type: SessionType::from_name(&session.session_type),
            properties: session.properties.clone(),
            ..Ready::without_handshake()
        });
        self.send_json(PayloadType::HandshakeRequest, &request, now);
    }

    pub(super) fn answer_handshake(
        &mut self,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), ChannelError> {
        if self.progress != Progress::AwaitingRequest {
            return Ok(());
        }
        let (response, ready) = handshake::answer(payload, &self.config.version)?;
        self.send_json(PayloadType::HandshakeResponse, &response, now);
        self.progress = Progress::AwaitingComplete(ready);
        self.timers.set(Timer::Handshake, Some(now + self.config.handshake_timeout));
        Ok(())
    }

    pub(super) fn complete_handshake(
        &mut self,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), ChannelError> {
        let Progress::AwaitingResponse(ready) = &self.progress else { return Ok(()) };
        let mut ready = ready.clone();
        ready.peer_version = handshake::check_response(payload)?;
        let took = now.saturating_duration_since(self.started).as_nanos();
        let message = self.old_client_message(&ready.peer_version);
        self.send_json(PayloadType::HandshakeComplete, &handshake::complete(took, message), now);
        self.early_until = Some(now + EARLY);
        self.become_ready(ready);
        Ok(())
    }

    fn old_client_message(&self, client: &str) -> String {
        match &self.config.habits.old_client_message {
            Some((last, text)) if Version::compare_loosely(client, last).is_le() => text.clone(),
            _ => String::new(),
        }
    }

    pub(super) fn finish_handshake(&mut self, payload: &[u8], now: Instant) {
        let Progress::AwaitingComplete(ready) = &self.progress else { return };
        let complete: HandshakeComplete = serde_json::from_slice(payload).unwrap_or_default();
        let ready = Ready { customer_message: complete.customer_message, ..ready.clone() };
        // The real agent acknowledges data that comes right behind the handshake and throws 1.7 %
        // of it away; after 5 ms it never did.
        let pause = self.rtt.smoothed().unwrap_or_default().max(FIRST_DATA_PAUSE);
        self.timers.set(Timer::FirstData, Some(now + pause));
        self.become_ready(ready);
    }

    pub(super) fn become_ready(&mut self, ready: Ready) {
        self.progress = Progress::Done;
        self.timers.set(Timer::Handshake, None);
        self.events.push_back(Event::Ready(ready));
    }
}

const FIRST_DATA_PAUSE: Duration = Duration::from_millis(5);

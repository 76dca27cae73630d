//! The channel's part in the handshake, for both roles.

use std::time::{Duration, Instant};

use super::Channel;
use crate::{
    channel::{
        ChannelError, EARLY, Event, Ready, Role,
        handshake::{self, Answer, Progress},
        timer::Timer,
    },
    wire::{
        PayloadType, Version,
        handshake::{HandshakeComplete, SessionType, SessionTypeParameters},
    },
};

impl Channel {
    pub(super) fn ask_for_handshake(&mut self, session: &SessionTypeParameters, now: Instant) {
        let demand = self.config.encryption.as_ref();
        let request = handshake::request(&self.config.version, session, demand);
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
        let answer = Answer::to(payload, &self.config.version)?;
        self.timers.set(Timer::Handshake, Some(now + self.config.handshake_timeout));
        match &answer.demand {
            Some(demand) => {
                self.ask_for_data_key(&demand.clone());
                self.progress = Progress::AwaitingDataKey(Box::new(answer));
            }
            None => {
                self.send_json(PayloadType::HandshakeResponse, &answer.response, now);
                if answer.is_refused() {
                    // The agent has nothing to complete: it is for the owner to say what it was.
                    self.become_ready(answer.ready);
                } else {
                    self.progress = Progress::AwaitingComplete(answer.ready);
                }
            }
        }
        Ok(())
    }

    /// Agent: whether a message comes before its time. The real agent acknowledges what comes
    /// before its handshake is done, and forgets it.
    pub(super) fn is_unwanted(&self, payload_type: PayloadType) -> bool {
        match self.progress {
            _ if self.config.role == Role::Client => false,
            Progress::AwaitingResponse(_) => payload_type != PayloadType::HandshakeResponse,
            Progress::AwaitingPlaintextKey(_) => true,
            Progress::AwaitingChallenge(_) => payload_type != PayloadType::EncChallengeResponse,
            _ => false,
        }
    }

    pub(super) fn take_response(
        &mut self,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), ChannelError> {
        let Progress::AwaitingResponse(ready) = &self.progress else { return Ok(()) };
        let response = handshake::check_response(payload)?;
        let ready = Ready { peer_version: response.client_version.clone(), ..ready.clone() };
        if self.config.encryption.is_some() {
            self.ask_for_plaintext_key(handshake::kms_result(&response)?);
            self.progress = Progress::AwaitingPlaintextKey(ready);
        } else {
            self.complete_handshake(ready, now);
        }
        Ok(())
    }

    pub(super) fn complete_handshake(&mut self, ready: Ready, now: Instant) {
        let took = now.saturating_duration_since(self.started).as_nanos();
        let mut message = self.old_client_message(&ready.peer_version);
        if self.config.encryption.is_some() {
            message.insert_str(0, ENCRYPTED_MESSAGE);
        }
        self.send_json(PayloadType::HandshakeComplete, &handshake::complete(took, message), now);
        self.early_until = Some(now + EARLY);
        self.become_ready(ready);
    }

    fn old_client_message(&self, client: &str) -> String {
        match &self.config.habits.old_client_message {
            Some((last, text)) if Version::compare_loosely(client, last).is_le() => text.clone(),
            _ => String::new(),
        }
    }

    pub(super) fn finish_handshake(&mut self, payload: &[u8], now: Instant) {
        // Not while an encrypted session's challenge is open: nobody has shown the key yet.
        let Progress::AwaitingComplete(ready) = &self.progress else { return };
        let complete = HandshakeComplete::read(payload);
        let ready = Ready { customer_message: complete.customer_message, ..ready.clone() };
        // The real agent acknowledges data that comes right behind the handshake and throws 1.7 %
        // of it away; after 5 ms it never did.
        let pause = self.outgoing.recovery().round_trip().unwrap_or_default().max(FIRST_DATA_PAUSE);
        self.timers.set(Timer::FirstData, Some(now + pause));
        self.become_ready(ready);
    }

    /// Whether data that has come may flow. An agent that sends some has done with the handshake,
    /// or has none; only not while there is no key yet that it could be encrypted with.
    pub(super) fn begins_with_data(&mut self) -> bool {
        let ready = match &self.progress {
            Progress::Done => return true,
            Progress::AwaitingRequest => Ready::without_handshake(),
            Progress::AwaitingComplete(ready) => ready.clone(),
            _ => return false,
        };
        self.become_ready(ready);
        true
    }

    pub(super) fn become_ready(&mut self, ready: Ready) {
        self.progress = Progress::Done;
        self.timers.set(Timer::Handshake, None);
        self.events.push_back(Event::Ready(ready));
    }
}

/// In the real agent's words, as captured.
const ENCRYPTED_MESSAGE: &str = "This session is encrypted using AWS KMS.";
const FIRST_DATA_PAUSE: Duration = Duration::from_millis(5);

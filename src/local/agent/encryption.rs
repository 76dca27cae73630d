//! The agent's side of an encrypted session, until it is encrypted: then the session's own
//! application begins.

use std::{sync::Arc, task::Context, time::Instant};

use super::{Agents, Ending};
use crate::{
    channel::{Channel, EncryptionDemand, Event, NoDataKey},
    local::{document::Workload, kms::Kms, session::DataChannel},
    net::{Application, ApplicationError, Turn},
    wire::{
        encryption::{DataKey, encryption_context},
        handshake::SessionTypeParameters,
    },
};

/// Whether shells and commands are encrypted, and how.
#[derive(Clone, Debug)]
pub(super) struct Encryption {
    pub(super) kms: Arc<Kms>,
    /// Whether the client has to put a random challenge into the encryption context.
    pub(super) requires_challenge: bool,
}

impl Encryption {
    /// What is demanded of a session's client; `None` for those that are never encrypted, and
    /// without a key.
    pub(super) fn demand(&self, workload: &Workload) -> Option<EncryptionDemand> {
        if matches!(workload, Workload::Port(_) | Workload::Ssh { .. }) {
            return None;
        }
        let random: [u8; 16] = rand::random();
        Some(EncryptionDemand {
            key_id: self.kms.key()?.to_owned(),
            challenge: self.requires_challenge.then(|| data_encoding::BASE64.encode(&random)),
            proof: rand::random(),
        })
    }
}

/// What the handshake of an encrypted session says of it: shells have one, too.
pub(super) fn handshake(workload: &Workload) -> Option<SessionTypeParameters> {
    #[cfg(unix)]
    if let Workload::Shell { command } = workload {
        use crate::wire::handshake::SessionType;

        let session_type = match command {
            None => SessionType::StandardStream,
            Some(_) => SessionType::InteractiveCommands,
        };
        let session_type = session_type.name().to_owned();
        return Some(SessionTypeParameters { session_type, properties: serde_json::Value::Null });
    }
    workload.handshake()
}

/// Waits for the session to be encrypted, and is its application from then on.
pub(super) struct EncryptedAgent {
    agents: Agents,
    kms: Arc<Kms>,
    demand: EncryptionDemand,
    session_id: String,
    target: String,
    workload: Workload,
    phase: Phase,
}

enum Phase {
    Waiting(Ending),
    Encrypted(Box<dyn Application + Send>),
    /// Never seen from outside.
    Between,
}

impl EncryptedAgent {
    pub(super) fn new(
        agents: &Agents,
        kms: Arc<Kms>,
        demand: EncryptionDemand,
        data_channel: &DataChannel,
        ending: Ending,
    ) -> Self {
        Self {
            agents: agents.clone(),
            kms,
            demand,
            session_id: data_channel.session_id.clone(),
            target: data_channel.target.clone(),
            workload: data_channel.workload.clone(),
            phase: Phase::Waiting(ending),
        }
    }

    fn decrypt(&self, ciphertext: &[u8], acknowledges: bool) -> Result<DataKey, NoDataKey> {
        let challenge = self.demand.challenge.as_deref();
        if challenge.is_some() && !acknowledges {
            let why = "the client did not acknowledge the challenge";
            return Err(NoDataKey(why.to_owned()));
        }
        let challenge = challenge.filter(|_| acknowledges);
        let context = encryption_context(&self.session_id, &self.target, challenge);
        let plaintext = self.kms.decrypt(Some(&self.demand.key_id), ciphertext, &context);
        let plaintext = plaintext.map_err(|error| {
            NoDataKey(format!("KMS says {} {error}", error.code()).trim_end().to_owned())
        })?;
        DataKey::new(&plaintext, Vec::new()).map_err(|error| NoDataKey(error.to_string()))
    }

    fn take_key(&mut self, key: Result<DataKey, NoDataKey>, channel: &mut Channel, now: Instant) {
        if let (Err(why), Phase::Waiting(ending)) = (&key, &mut self.phase) {
            ending.begin_because(format!("Session encryption failed: {why}"), now);
        }
        channel.handle_data_key(key, rand::random(), now);
    }

    fn begin(&mut self, now: Instant) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Between) {
            Phase::Waiting(ending) => {
                Phase::Encrypted(self.agents.application(&self.workload, ending, now))
            }
            begun => begun,
        };
    }
}

impl Application for EncryptedAgent {
    fn can_receive(&self) -> bool {
        match &self.phase {
            Phase::Encrypted(application) => application.can_receive(),
            Phase::Waiting(_) | Phase::Between => true,
        }
    }

    fn is_drained(&self) -> bool {
        match &self.phase {
            Phase::Encrypted(application) => application.is_drained(),
            Phase::Waiting(_) | Phase::Between => true,
        }
    }

    fn handle_event(
        &mut self,
        event: Event,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<(), ApplicationError> {
        match event {
            Event::DecryptDataKey { ciphertext, acknowledges_challenge } => {
                let key = self.decrypt(&ciphertext, acknowledges_challenge);
                self.take_key(key, channel, now);
                return Ok(());
            }
            Event::Ready(_) => self.begin(now),
            _ => {}
        }
        match &mut self.phase {
            Phase::Encrypted(application) => application.handle_event(event, channel, now),
            Phase::Waiting(_) | Phase::Between => Ok(()),
        }
    }

    fn handle_reconnected(&mut self, now: Instant) {
        if let Phase::Encrypted(application) = &mut self.phase {
            application.handle_reconnected(now);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        channel: &mut Channel,
        now: Instant,
    ) -> Result<Turn, ApplicationError> {
        match &mut self.phase {
            Phase::Encrypted(application) => application.poll(cx, channel, now),
            Phase::Waiting(ending) => Ok(match ending.poll_begun(cx, now) {
                true => ending.close(channel, true, now),
                false => Turn::Idle,
            }),
            Phase::Between => Ok(Turn::Idle),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Encrypted(application) => application.poll_timeout(),
            Phase::Waiting(ending) => ending.poll_timeout(None),
            Phase::Between => None,
        }
    }
}

#[cfg(all(test, unix))]
mod tests;

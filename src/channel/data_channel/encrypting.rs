//! The channel's part in encrypted sessions, for both roles: how it comes by its cipher, and what
//! passes it.
//!
//! ```text
//!   client                                          agent
//!     | <------------ HandshakeRequest ------------- |
//!   Event::GenerateDataKey                           |
//!   handle_data_key()                                |
//!     | ------------- HandshakeResponse -----------> |
//!     |                                  Event::DecryptDataKey
//!     |                                  handle_data_key()
//!     | <----------- EncChallengeRequest ----------- |
//!     | ------------ EncChallengeResponse ---------> |
//!     | <------------ HandshakeComplete ------------ |
//! ```

use std::time::Instant;

use bytes::Bytes;

use super::Channel;
use crate::{
    channel::{
        ChannelError, Cipher, Event, NoDataKey, Role,
        handshake::{Demand, Progress},
        timer::Timer,
    },
    wire::{
        Base64, Frame, Packet, PayloadType,
        encryption::{DataKey, EncryptionChallenge, KmsResult},
    },
};

/// Whether payloads are encrypted.
#[derive(Debug)]
pub(super) enum Encryption {
    /// They are not.
    Off,
    /// They are to be: none that is not will be taken.
    Awaited,
    /// They are.
    On(Box<Cipher>),
}

impl Channel {
    /// Takes the data key that the last event asked for, or why there is none. Nonces begin at
    /// `first_nonce`, random bytes.
    ///
    /// Without a key nothing can come of the session any more. A client tells the agent so; let
    /// that be transmitted before the connection is given up.
    pub fn handle_data_key(
        &mut self,
        key: Result<DataKey, NoDataKey>,
        first_nonce: [u8; 12],
        now: Instant,
    ) {
        match std::mem::replace(&mut self.progress, Progress::Refused) {
            Progress::AwaitingDataKey(mut answer) => {
                let Some(demand) = answer.demand.take() else { return };
                let result = key.map(|key| {
                    let cipher = Cipher::of_client(&key, first_nonce);
                    self.encryption = Encryption::On(Box::new(cipher));
                    KmsResult {
                        ciphertext_key: Base64(key.ciphertext().to_vec()),
                        ciphertext_hash: None,
                        acknowledges_challenge: demand.challenge.is_some(),
                    }
                });
                let has_key = result.is_ok();
                answer.complete(&demand, result);
                self.send_json(PayloadType::HandshakeResponse, &answer.response, now);
                if has_key {
                    self.progress = Progress::AwaitingChallenge(answer.ready);
                    self.timers.set(Timer::Handshake, Some(now + self.config.handshake_timeout));
                }
            }
            Progress::AwaitingPlaintextKey(ready) => {
                if let (Ok(key), Some(demand)) = (key, &self.config.encryption) {
                    let mut cipher = Cipher::of_agent(&key, first_nonce);
                    let challenge = challenge(&mut cipher, &demand.proof);
                    self.encryption = Encryption::On(Box::new(cipher));
                    self.send_json(PayloadType::EncChallengeRequest, &challenge, now);
                    self.progress = Progress::AwaitingChallenge(ready);
                }
            }
            // Nobody asked.
            other => self.progress = other,
        }
    }

    pub(super) fn ask_for_data_key(&mut self, demand: &Demand) {
        self.encryption = Encryption::Awaited;
        let (key_id, challenge) = (demand.key_id.clone(), demand.challenge.clone());
        self.events.push_back(Event::GenerateDataKey { key_id, challenge });
    }

    pub(super) fn ask_for_plaintext_key(&mut self, result: KmsResult) {
        self.encryption = Encryption::Awaited;
        self.events.push_back(Event::DecryptDataKey {
            ciphertext: result.ciphertext_key.0,
            acknowledges_challenge: result.acknowledges_challenge,
        });
    }

    /// Client: shows that it has the agent's key. Once, or others could have it encrypt what it
    /// never said.
    pub(super) fn answer_challenge(
        &mut self,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), ChannelError> {
        let (Progress::AwaitingChallenge(ready), Encryption::On(cipher)) =
            (&self.progress, &mut self.encryption)
        else {
            return Ok(());
        };
        let request = read(payload)?;
        let proof = cipher.decrypt(request.challenge.0.into());
        let proof = proof.ok_or(ChannelError::ChallengeFailed)?;
        let response = challenge(cipher, &proof);
        self.progress = Progress::AwaitingComplete(ready.clone());
        self.send_json(PayloadType::EncChallengeResponse, &response, now);
        Ok(())
    }

    /// Agent: checks that the client has the same key.
    pub(super) fn check_challenge(
        &mut self,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), ChannelError> {
        let (Progress::AwaitingChallenge(ready), Encryption::On(cipher)) =
            (&self.progress, &self.encryption)
        else {
            return Ok(());
        };
        let proof = cipher.decrypt(read(payload)?.challenge.0.into());
        let expected = self.config.encryption.as_ref().map(|demand| &demand.proof[..]);
        if proof.is_none() || proof.as_deref() != expected {
            return Err(ChannelError::ChallengeFailed);
        }
        self.complete_handshake(ready.clone(), now);
        Ok(())
    }

    /// Whether a message is text for the user that an encrypted session does not encrypt: anyone
    /// on the way could have written it.
    pub(super) fn is_forgeable(&self, payload_type: PayloadType) -> bool {
        payload_type == PayloadType::Error && !matches!(self.encryption, Encryption::Off)
    }

    /// Encrypts what is to be encrypted of this side's messages.
    pub(super) fn encrypt(&mut self, payload_type: PayloadType, packet: &mut Packet) {
        let is_agent = !matches!(self.config.role, Role::Client);
        if let Encryption::On(cipher) = &mut self.encryption
            && is_secret(payload_type, is_agent)
        {
            cipher.encrypt(packet);
        }
    }

    /// The payload of a message from the other side, in the clear.
    pub(super) fn decrypted(&self, frame: Frame) -> Result<Bytes, ChannelError> {
        let Frame { header, payload, .. } = frame;
        let is_from_agent = matches!(self.config.role, Role::Client);
        if !is_secret(header.payload_type, is_from_agent) {
            return Ok(payload);
        }
        let plaintext = match &self.encryption {
            Encryption::Off => Some(payload),
            Encryption::Awaited => None,
            Encryption::On(cipher) => cipher.decrypt(payload),
        };
        plaintext.ok_or(ChannelError::NotAuthentic {
            sequence_number: header.sequence_number,
            payload_type: header.payload_type,
        })
    }
}

/// Whether an encrypted session encrypts such payloads. Sizes, flags and the handshake go in the
/// clear.
fn is_secret(payload_type: PayloadType, is_from_agent: bool) -> bool {
    match payload_type {
        PayloadType::Output => true,
        PayloadType::StdErr | PayloadType::ExitCode => is_from_agent,
        _ => false,
    }
}

fn challenge(cipher: &mut Cipher, proof: &[u8]) -> EncryptionChallenge {
    let mut packet = Packet::copy_from(proof);
    cipher.encrypt(&mut packet);
    EncryptionChallenge { challenge: Base64(packet.payload().to_vec()) }
}

fn read(payload: &[u8]) -> Result<EncryptionChallenge, ChannelError> {
    EncryptionChallenge::read(payload)
        .map_err(|error| ChannelError::HandshakeUnreadable(error.to_string()))
}

//! What a channel tells its owner.

use std::time::Duration;

use bytes::Bytes;

use super::Ready;
use crate::wire::{PayloadType, control::Flag};

/// What the channel tells its owner.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// The handshake is done, or the agent began without one: data may flow. Comes once, and
    /// before any data.
    Ready(Ready),
    /// Client: KMS is to be asked for a data key, bound to this session. The answer goes to
    /// [`Channel::handle_data_key`](super::Channel::handle_data_key); the handshake waits for it.
    GenerateDataKey {
        /// The key, as `GenerateDataKey` takes it.
        key_id: String,
        /// What the encryption context is to have as its random challenge.
        challenge: Option<String>,
    },
    /// Agent: KMS is to decrypt the session's data key. The answer goes the same way.
    DecryptDataKey {
        /// The data key as the client sent it.
        ciphertext: Vec<u8>,
        /// Whether the encryption context has the agent's challenge.
        acknowledges_challenge: bool,
    },
    /// A message of the stream, in order, each once. Handshake messages do not appear here.
    Data {
        /// What the payload is.
        payload_type: PayloadType,
        /// The payload, in the clear; a slice of the WebSocket message where possible.
        payload: Bytes,
    },
    /// The other side raised a flag.
    Flag(Flag),
    /// The service asks for a pause: data waits, acknowledgements go on.
    Paused,
    /// The pause is over.
    Resumed,
    /// The oldest message is unacknowledged for so long, and is tried on: its destination may not
    /// read. Comes once until the message is acknowledged.
    Unacknowledged {
        /// How long.
        after: Duration,
    },
    /// The service says that the session is over, or it cannot be had again.
    Closed {
        /// Why, for the user; empty for an ordinary end.
        reason: String,
    },
}

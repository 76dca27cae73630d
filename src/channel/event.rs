//! What a channel tells its owner.

use bytes::Bytes;

use super::Ready;
use crate::wire::{PayloadType, control::Flag};

/// What the channel tells its owner.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// The handshake is done, or the agent began without one: data may flow. Comes once, and
    /// before any data.
    Ready(Ready),
    /// A message of the stream, in order, each once. Handshake messages do not appear here.
    Data {
        /// What the payload is.
        payload_type: PayloadType,
        /// The payload, a slice of the WebSocket message.
        payload: Bytes,
    },
    /// The other side raised a flag.
    Flag(Flag),
    /// The service asks for a pause: data waits, acknowledgements go on.
    Paused,
    /// The pause is over.
    Resumed,
    /// The service says that the session is over.
    Closed {
        /// Why, for the user; empty for an ordinary end.
        reason: String,
    },
}

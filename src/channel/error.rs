//! Why a channel cannot go on.

use std::time::Duration;

use crate::wire::{FrameError, PayloadType};

/// Why a channel cannot go on.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChannelError {
    /// One message after the other is no frame: this peer speaks something else.
    #[error("{count} messages in a row are not frames of a data channel: {last}")]
    NotFrames {
        /// How many.
        count: u32,
        /// What is wrong with the last.
        last: FrameError,
    },
    /// Nothing of the handshake, or not all of it, came in time.
    #[error("the handshake did not end within {} s{}", .after.as_secs(), unreadable_note(.unreadable))]
    HandshakeTimeout {
        /// The time that it had.
        after: Duration,
        /// Whether frames came that could not be read.
        unreadable: Option<FrameError>,
    },
    /// A handshake document is not the expected JSON.
    #[error("unreadable handshake message: {0}")]
    HandshakeUnreadable(String),
    /// The client could not do what the agent asked.
    #[error("the client refused the handshake: {0}")]
    HandshakeRefused(String),
    /// A payload was not encrypted with the session's key, or changed on its way. It is no loss, as
    /// its digest was right: it would come again as it is.
    #[error("message {sequence_number} of the agent's is not encrypted with the session's key")]
    NotAuthentic {
        /// The message's number.
        sequence_number: i64,
        /// What it was to be.
        payload_type: PayloadType,
    },
    /// The two sides do not have the same data key.
    #[error("the encryption challenge failed: client and agent have different data keys")]
    ChallengeFailed,
}

/// Why there is no data key for a session that is to be encrypted, in words for the other side.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoDataKey(pub String);

fn unreadable_note(unreadable: &Option<FrameError>) -> String {
    unreadable.map(|error| format!(" ({error})")).unwrap_or_default()
}

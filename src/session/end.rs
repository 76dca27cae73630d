//! How sessions end, and why they fail.

use std::fmt;

use super::{AddressError, Refusal};
use crate::net::{DialError, Disconnect, DriveError};

/// How a session ended, in good order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionEnd {
    /// The application had enough.
    Done,
    /// The service or the agent ended it, with a reason that may be empty.
    Closed {
        /// Why, in the service's words.
        reason: String,
    },
    /// The service says, when asked to resume it, that the session is over.
    TimedOut,
}

impl fmt::Display for SessionEnd {
    /// Why it is over, for the user.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "it was ended from this side",
            Self::Closed { reason } if reason.is_empty() => "the service closed it",
            Self::Closed { reason } => reason,
            Self::TimedOut => "the service says that it is over",
        })
    }
}

/// Why a session could not be opened, or not kept.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The stream URL leads nowhere that a token may be sent to.
    #[error("session {session_id}: {source}")]
    Address {
        /// The session.
        session_id: String,
        /// Why not there.
        source: AddressError,
    },
    /// No WebSocket.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The service closed the data channel before anything came through it, and gave no other.
    #[error("the service refused the data channel of session {session_id}: {lost}; {why}")]
    Refused {
        /// The session.
        session_id: String,
        /// What the service said.
        lost: Disconnect,
        /// Why there is no other.
        why: String,
    },
    /// The agent wants the session encrypted, and there is no data key.
    #[error("session {session_id} cannot be encrypted: {refusal}")]
    NotEncrypted {
        /// The session.
        session_id: String,
        /// Why there is no key.
        refusal: Refusal,
    },
    /// The session cannot go on.
    #[error("session {session_id} failed: {source}")]
    Failed {
        /// The session.
        session_id: String,
        /// What happened.
        source: DriveError,
    },
    /// The service closed the session, and the end of what the agent sent did not come.
    #[error(
        "session {session_id} has ended{}, and the end of the output did not arrive",
        in_brackets(.reason)
    )]
    Truncated {
        /// The session.
        session_id: String,
        /// Why it was closed; may be empty.
        reason: String,
    },
    /// The connection was lost and could not be had again.
    #[error("session {session_id} was lost ({lost}) and could not be resumed: {why}")]
    Lost {
        /// The session.
        session_id: String,
        /// How the connection went away.
        lost: Disconnect,
        /// Why there is no other.
        why: String,
    },
}

fn in_brackets(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
}

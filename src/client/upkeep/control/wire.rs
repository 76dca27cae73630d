//! What is asked over the socket, and answered.

use serde::{Deserialize, Serialize};

use crate::client::{
    error::{Error, Kind},
    upkeep::{Event, Status},
};

/// An order, or a question. Where no tunnel is named, all are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Request {
    /// How are these?
    Status { names: Vec<String> },
    /// Keep these up, too; and answer when each has been tried.
    Up { names: Vec<String>, wait: bool },
    /// End these.
    Down { names: Vec<String> },
    /// Another session for this one.
    Restart { name: String },
    /// What has happened, and what will.
    Logs { names: Vec<String>, last: usize, follow: bool },
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// The request has been read: who has asked need not fear that nobody is there.
    Heard,
    Status(Box<Status>),
    Event(Event),
    Ended {
        names: Vec<String>,
    },
    /// Nothing comes behind it. Tells who has answered.
    Done {
        pid: u32,
    },
    /// The same; it was not done.
    Refused {
        is_usage: bool,
        what: String,
        why: Option<String>,
        next: Option<String>,
    },
}

impl Answer {
    pub(super) fn refused(error: &Error) -> Self {
        let Error { kind, what, why, next, .. } = error.clone();
        Self::Refused { is_usage: kind == Kind::Usage, what, why, next }
    }

    /// An error, if it is one.
    pub(super) fn checked(self) -> Result<Self, Error> {
        match self {
            Self::Refused { is_usage, what, why, next } => {
                let kind = if is_usage { Kind::Usage } else { Kind::Local };
                Err(Error { why, next, ..Error::new(kind, what) })
            }
            answer => Ok(answer),
        }
    }
}

//! What happens to the connections of a forward.

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

use super::Peer;
use crate::net::StreamEnd;

/// What a forward tells its observer.
#[derive(Clone, Debug)]
pub enum ForwardEvent {
    /// A connection came in.
    Accepted(Peer),
    /// The agent could not connect a stream to the destination.
    DestinationRefused,
    /// How that went, as told behind it.
    NotReached {
        /// So long the agent has tried, where that is known.
        after: Option<Duration>,
        /// What the node's system says of it, where that is known: an agent does not tell.
        why: Option<String>,
    },
    /// A stuck connection was reset so that the others can go on.
    Stalled {
        /// Bytes that had been received for it.
        discarded: usize,
    },
    /// What comes for this connection is read so slowly that all the others wait behind it.
    Slow(Peer),
    /// That is over.
    Flowing {
        /// How long the others had to wait.
        after: Duration,
    },
    /// This program had finished its request; the answer did not come in time, and its connection was
    /// reset.
    Unanswered(Peer),
    /// A connection that had come in is over.
    Closed(Closed),
    /// A connection could not be taken.
    NotAccepted(String),
    /// No more connections are taken before one of these has ended.
    Full {
        /// How many are open.
        connections: usize,
    },
    /// The session is gone, and with it connections that were open; never none.
    CutOff {
        /// How many.
        connections: usize,
    },
}

/// A connection, when it is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Closed {
    /// Whose it was.
    pub peer: Peer,
    /// How long it was open.
    pub lasted: Duration,
    /// Bytes that went to the destination.
    pub sent: u64,
    /// Bytes that came from there.
    pub received: u64,
    /// What has ended it.
    pub end: ConnectionEnd,
}

/// What has ended a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConnectionEnd {
    /// The local program closed it first.
    Program,
    /// The destination closed it first.
    Destination,
    /// The local program reset it, or does not take what comes.
    Broken,
    /// The node could not connect it to the destination.
    NotReached,
    /// It held up the others, and was reset.
    Stalled,
    /// The answer to a finished request did not come in time; it was reset.
    Unanswered,
    /// The session ended, and cut it off.
    SessionOver,
    /// The forward was ended.
    Stopped,
}

impl ConnectionEnd {
    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Destination => "destination",
            Self::Broken => "broken",
            Self::NotReached => "not_reached",
            Self::Stalled => "stalled",
            Self::Unanswered => "unanswered",
            Self::SessionOver => "session_over",
            Self::Stopped => "stopped",
        }
    }
}

impl Display for ConnectionEnd {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Program => "closed by its program",
            Self::Destination => "closed by the destination",
            Self::Broken => "reset by its program",
            Self::NotReached => "the destination was not reached",
            Self::Stalled => "reset, as it held up the others",
            Self::Unanswered => "reset, as the answer did not come in time",
            Self::SessionOver => "cut off by the session's end",
            Self::Stopped => "cut off, as all is to end",
        })
    }
}

impl From<StreamEnd> for ConnectionEnd {
    fn from(end: StreamEnd) -> Self {
        match end {
            StreamEnd::Local => Self::Program,
            StreamEnd::Remote => Self::Destination,
            StreamEnd::Broken => Self::Broken,
            StreamEnd::Stalled => Self::Stalled,
            StreamEnd::Unanswered => Self::Unanswered,
        }
    }
}

/// In words that know nothing of where the forward leads.
impl Display for ForwardEvent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(peer) => write!(f, "{peer} connected"),
            Self::DestinationRefused => f.write_str("the node cannot connect to the destination"),
            Self::NotReached { after, why } => {
                f.write_str("the node has tried to connect to the destination")?;
                if let Some(after) = after {
                    write!(f, " for {:.1} s", after.as_secs_f64())?;
                }
                why.iter().try_for_each(|why| write!(f, " ({why})"))
            }
            Self::Stalled { discarded } => write!(
                f,
                "a connection was hardly read for a minute and held up the others; it was reset, with \
                 {discarded} bytes not delivered"
            ),
            Self::Slow(peer) => {
                write!(f, "{peer} reads slowly, and the other connections wait behind it")
            }
            Self::Flowing { after } => {
                let after = after.as_secs();
                write!(f, "connections are no longer held up by a slow one, after {after} s")
            }
            Self::Unanswered(peer) => write!(
                f,
                "{peer} had sent its request, and the answer did not come in time; its connection was \
                 reset"
            ),
            Self::Closed(Closed { peer, lasted, sent, received, end }) => {
                let lasted = lasted.as_secs_f64();
                write!(f, "{peer}: {sent} bytes sent, {received} received in {lasted:.1} s; {end}")
            }
            Self::NotAccepted(why) => write!(f, "a connection was not taken: {why}"),
            Self::Full { connections } => write!(
                f,
                "{connections} connections are open, as many as one session carries; further ones wait"
            ),
            Self::CutOff { connections: 1 } => f.write_str("one connection was cut off"),
            Self::CutOff { connections } => write!(f, "{connections} connections were cut off"),
        }
    }
}

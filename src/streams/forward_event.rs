//! What happens to the connections of a forward.

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

use super::Peer;

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

/// In words that know nothing of where the forward leads.
impl Display for ForwardEvent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(peer) => write!(f, "{peer} connected"),
            Self::DestinationRefused => f.write_str("the node cannot connect to the destination"),
            Self::NotReached { after: Some(after) } => {
                let after = after.as_secs_f64();
                write!(f, "the node has tried to connect to the destination for {after:.1} s")
            }
            Self::NotReached { after: None } => {
                f.write_str("the node has tried to connect to the destination")
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

//! What a relay tells its owner of its streams.

use std::time::Duration;

use crate::mux::StreamId;

/// What happened to a stream, for the relay's owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// The peer opened a stream; it waits for [`connect`](super::Relay::connect) or
    /// [`refuse`](super::Relay::refuse).
    Opened(StreamId),
    /// The peer has finished, and all that it sent has been written.
    Finished(StreamId),
    /// The stream is over; its socket is closed.
    Closed {
        /// The stream.
        stream: StreamId,
        /// What it has carried.
        traffic: Traffic,
        /// What has ended it.
        end: StreamEnd,
    },
    /// The stream's socket was not read for so long that it was reset to let the others go on.
    Stalled {
        /// The stream.
        stream: StreamId,
        /// Received bytes that were thrown away with it.
        discarded: usize,
    },
    /// The answer for this stream's program, which had finished its request, did not come in time; its
    /// socket was reset.
    Unanswered(StreamId),
    /// This stream's socket is read so slowly that all the others wait behind it.
    Slow(StreamId),
    /// That is over.
    Flowing {
        /// How long the others had to wait.
        after: Duration,
    },
}

/// What has ended a stream, seen from its socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamEnd {
    /// The socket's program finished first, or is gone.
    Local,
    /// The other side finished first.
    Remote,
    /// The socket broke, or its program reset it.
    Broken,
    /// See [`Notice::Stalled`].
    Stalled,
    /// See [`Notice::Unanswered`].
    Unanswered,
}

/// Payload that a relay, or one of its streams, has moved, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Traffic {
    /// From sockets to the channel.
    pub sent: u64,
    /// From the channel to sockets.
    pub received: u64,
}

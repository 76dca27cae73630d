use super::{HeaderError, StreamId};

/// What can fail. [`Header`](MuxError::Header) and [`SynFlood`](MuxError::SynFlood) end the
/// session, the others concern one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MuxError {
    /// The peer's bytes are not smux version 1.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The peer opens streams while more control frames wait than
    /// [`Config::max_streams`](super::Config::max_streams) allows.
    #[error("the peer opened stream {stream} while {waiting} mux control frames wait to be sent")]
    SynFlood {
        /// The stream the peer wanted.
        stream: StreamId,
        /// The control frames waiting.
        waiting: usize,
    },
    /// There are as many streams as [`Config::max_streams`](super::Config::max_streams) allows.
    #[error("cannot open another mux stream: {0} are open, the most allowed")]
    TooManyStreams(usize),
    /// More control frames wait to be sent than
    /// [`Config::max_streams`](super::Config::max_streams) allows.
    #[error("cannot open another mux stream: {0} mux control frames wait to be sent")]
    ControlBacklog(usize),
    /// Every stream id of this end has been used.
    #[error("cannot open another mux stream: all stream ids of the session are used up")]
    IdsExhausted,
    /// No such stream, or it is over.
    #[error("cannot send on mux stream {0}: there is no such stream")]
    UnknownStream(StreamId),
    /// Data must not overtake the SYN, which
    /// [`Mux::poll_control`](super::Mux::poll_control) has still to give out.
    #[error("cannot send on mux stream {0}: its SYN has not been sent")]
    SynNotSent(StreamId),
    /// [`Mux::finish`](super::Mux::finish) was called on this stream.
    #[error("cannot send on mux stream {0}: sending has ended")]
    SendingEnded(StreamId),
    /// No frame of this length exists.
    #[error("cannot send {len} bytes in one frame on mux stream {stream}: 1 to 65535 fit")]
    FrameLength {
        /// The stream.
        stream: StreamId,
        /// The bytes asked for.
        len: usize,
    },
}

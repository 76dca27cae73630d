use std::time::Duration;

/// The limits of one [`Mux`](super::Mux).
#[derive(Clone, Debug)]
pub struct Config {
    /// Which end of the session this is.
    pub role: Role,
    /// Bytes that all receive queues together may hold before
    /// [`has_room`](super::Mux::has_room) turns false: payload, and
    /// [`SLICE_OVERHEAD`](super::SLICE_OVERHEAD) for every slice kept. The default is 4 MiB, the
    /// real agent's own figure.
    pub receive_budget: usize,
    /// How long a FIN is held back after the local end of file while nothing arrives on the
    /// stream, see [`finish`](super::Mux::finish). Zero sends it at once. The default is one
    /// second for a client, whose peer closes the whole stream on a FIN, and zero for a server,
    /// which has no reason to expect that of a client.
    pub half_close_linger: Duration,
    /// Streams that may exist at once; a peer's SYN beyond is refused with a FIN. The default is
    /// 4096.
    ///
    /// It bounds the control frames that wait for [`poll_control`](super::Mux::poll_control) too.
    /// While twice this number and 1024 more are waiting, no stream is opened or refused: `open`
    /// fails, and a SYN ends the session as a flood. The streams that exist by then can add one
    /// FIN each, and there is at most one NOP.
    pub max_streams: usize,
}

/// Which end of the session a [`Mux`](super::Mux) is. It decides the stream ids and who opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The end that opens streams, with odd ids from 3. A SYN of the peer is refused: agents
    /// never open a stream.
    Client,
    /// The end that accepts streams. Its own ids would be even, from 2.
    Server,
}

impl Config {
    /// The defaults of a role.
    pub fn new(role: Role) -> Config {
        Config {
            role,
            receive_budget: 4 * 1024 * 1024,
            half_close_linger: match role {
                Role::Client => Duration::from_secs(1),
                Role::Server => Duration::ZERO,
            },
            max_streams: 4096,
        }
    }

    /// Waiting control frames from which on no stream is opened or refused.
    pub(super) fn control_limit(&self) -> usize {
        self.max_streams.saturating_mul(2).saturating_add(CONTROL_SLACK)
    }
}

impl Role {
    /// The id of the first stream this end opens. As in xtaci/smux, where the counter starts at 1
    /// or 0 and is raised by two before its first use.
    pub(super) fn first_id(self) -> u32 {
        match self {
            Role::Client => 3,
            Role::Server => 2,
        }
    }
}

/// Room for refusals in one large input, so that a small stream limit does not turn a burst of
/// SYNs into an error.
const CONTROL_SLACK: usize = 1024;

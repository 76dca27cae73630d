//! What a frame is ([`MessageType`]), what its payload is ([`PayloadType`]) and its [`Flags`].

use std::fmt;

/// Width of the message type field; shorter names are padded with spaces.
pub(super) const MESSAGE_TYPE_LEN: usize = 32;

/// The frame's kind, from the 32 ASCII bytes at offset 4.
///
/// Readers skip what they do not know, so an unknown name is a value and no error.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// `input_stream_data`: client to agent, in sequence.
    InputStreamData,
    /// `output_stream_data`: agent to client, in sequence.
    OutputStreamData,
    /// `acknowledge`: names one data message that has arrived.
    Acknowledge,
    /// `channel_closed`: the session is over.
    ChannelClosed,
    /// `start_publication`: the other side is there, data may be sent.
    StartPublication,
    /// `pause_publication`: the other side is away or overrun, data waits.
    PausePublication,
    /// `agent_session_state`: from the agent to the service, of no concern to clients.
    AgentSessionState,
    /// Any other name, kept as it came.
    Unknown([u8; MESSAGE_TYPE_LEN]),
}

impl MessageType {
    /// The known types with their fields, the frequent ones first.
    const FIELDS: [(Self, [u8; MESSAGE_TYPE_LEN]); 7] = [
        (Self::InputStreamData, Self::InputStreamData.field()),
        (Self::OutputStreamData, Self::OutputStreamData.field()),
        (Self::Acknowledge, Self::Acknowledge.field()),
        (Self::ChannelClosed, Self::ChannelClosed.field()),
        (Self::StartPublication, Self::StartPublication.field()),
        (Self::PausePublication, Self::PausePublication.field()),
        (Self::AgentSessionState, Self::AgentSessionState.field()),
    ];

    /// The name as it stands on the wire, without padding; of an unknown type, its readable part.
    pub fn name(&self) -> &str {
        match self {
            Self::InputStreamData => "input_stream_data",
            Self::OutputStreamData => "output_stream_data",
            Self::Acknowledge => "acknowledge",
            Self::ChannelClosed => "channel_closed",
            Self::StartPublication => "start_publication",
            Self::PausePublication => "pause_publication",
            Self::AgentSessionState => "agent_session_state",
            Self::Unknown(raw) => std::str::from_utf8(trim(raw)).unwrap_or("(not text)"),
        }
    }

    /// Whether the service itself says it to clients, outside the sequence and once.
    pub fn is_of_service(&self) -> bool {
        matches!(self, Self::ChannelClosed | Self::StartPublication | Self::PausePublication)
    }

    /// The message type called `name`, if it is one that this crate knows.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut known = Self::FIELDS.iter().map(|(kind, _)| *kind);
        known.find(|kind| kind.name() == name)
    }

    /// Reads the field: padding of spaces or NULs is dropped on both sides.
    #[inline]
    pub(super) fn read(raw: &[u8; MESSAGE_TYPE_LEN]) -> Self {
        match Self::FIELDS.iter().find(|(_, field)| field == raw) {
            Some((kind, _)) => *kind,
            None => Self::read_odd(raw),
        }
    }

    /// Off the hot path: padded in another way, or unknown.
    #[cold]
    fn read_odd(raw: &[u8; MESSAGE_TYPE_LEN]) -> Self {
        let name = std::str::from_utf8(trim(raw)).ok();
        name.and_then(Self::from_name).unwrap_or(Self::Unknown(*raw))
    }

    /// The field as it is written; padded while this is compiled.
    #[inline]
    pub(super) const fn field(&self) -> [u8; MESSAGE_TYPE_LEN] {
        match self {
            Self::InputStreamData => const { padded("input_stream_data") },
            Self::OutputStreamData => const { padded("output_stream_data") },
            Self::Acknowledge => const { padded("acknowledge") },
            Self::ChannelClosed => const { padded("channel_closed") },
            Self::StartPublication => const { padded("start_publication") },
            Self::PausePublication => const { padded("pause_publication") },
            Self::AgentSessionState => const { padded("agent_session_state") },
            Self::Unknown(raw) => *raw,
        }
    }
}

const fn padded(name: &str) -> [u8; MESSAGE_TYPE_LEN] {
    let mut field = [b' '; MESSAGE_TYPE_LEN];
    field.split_at_mut(name.len()).0.copy_from_slice(name.as_bytes());
    field
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name().escape_debug())
    }
}

impl fmt::Debug for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a data message's payload is, from the four bytes at offset 112.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PayloadType {
    /// 0, on every message that is not data.
    None,
    /// 1: bytes of the stream, both ways.
    Output,
    /// 2: an error text of the agent.
    Error,
    /// 3: terminal size, `{"cols":80,"rows":24}`.
    Size,
    /// 4: a parameter.
    Parameter,
    /// 5: the agent's handshake request.
    HandshakeRequest,
    /// 6: the client's handshake response.
    HandshakeResponse,
    /// 7: the agent's end of the handshake.
    HandshakeComplete,
    /// 8: the agent's encryption challenge.
    EncChallengeRequest,
    /// 9: the client's answer to it.
    EncChallengeResponse,
    /// 10: a [`Flag`](super::control::Flag).
    Flag,
    /// 11: a command's standard error.
    StdErr,
    /// 12: a command's exit code, as the text `EXIT_CODE: n`.
    ExitCode,
    /// Any other number.
    Unknown(u32),
}

impl PayloadType {
    pub(super) fn read(raw: u32) -> Self {
        match raw {
            0 => Self::None,
            1 => Self::Output,
            2 => Self::Error,
            3 => Self::Size,
            4 => Self::Parameter,
            5 => Self::HandshakeRequest,
            6 => Self::HandshakeResponse,
            7 => Self::HandshakeComplete,
            8 => Self::EncChallengeRequest,
            9 => Self::EncChallengeResponse,
            10 => Self::Flag,
            11 => Self::StdErr,
            12 => Self::ExitCode,
            other => Self::Unknown(other),
        }
    }

    /// The number on the wire.
    pub fn number(&self) -> u32 {
        match self {
            Self::None => 0,
            Self::Output => 1,
            Self::Error => 2,
            Self::Size => 3,
            Self::Parameter => 4,
            Self::HandshakeRequest => 5,
            Self::HandshakeResponse => 6,
            Self::HandshakeComplete => 7,
            Self::EncChallengeRequest => 8,
            Self::EncChallengeResponse => 9,
            Self::Flag => 10,
            Self::StdErr => 11,
            Self::ExitCode => 12,
            Self::Unknown(other) => *other,
        }
    }
}

/// The flags field: bit 0 begins a stream, bit 1 ends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags(pub u64);

impl Flags {
    /// Ordinary data.
    pub const NONE: Self = Self(0);
    /// The agent's first message.
    pub const SYN: Self = Self(1);
    /// Messages that stand alone: acknowledgements and the service's own.
    pub const SYN_FIN: Self = Self(3);
}

fn trim(raw: &[u8]) -> &[u8] {
    let padding = |byte: &u8| matches!(byte, b' ' | 0);
    let start = raw.iter().position(|b| !padding(b)).unwrap_or(raw.len());
    let end = raw.iter().rposition(|b| !padding(b)).map_or(start, |i| i + 1);
    &raw[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_field() {
        for (kind, field) in MessageType::FIELDS {
            assert_eq!(MessageType::read(&field), kind);
            assert_eq!(kind.field(), field);
            let name = kind.name();
            assert_eq!(&field[..name.len()], name.as_bytes());
            assert!(field[name.len()..].iter().all(|b| *b == b' '));
            assert_eq!(MessageType::from_name(name), Some(kind));
        }
    }

    #[test]
    fn nul_padding_is_read_too() {
        let mut field = [0; MESSAGE_TYPE_LEN];
        field[..11].copy_from_slice(b"acknowledge");
        assert_eq!(MessageType::read(&field), MessageType::Acknowledge);
    }

    #[test]
    fn unknown_types_are_kept_to_the_byte() {
        let mut field = [b' '; MESSAGE_TYPE_LEN];
        field[..9].copy_from_slice(b"new_thing");
        let kind = MessageType::read(&field);
        assert_eq!(kind.name(), "new_thing");
        assert_eq!(kind.field(), field);
        assert_eq!(MessageType::read(&[0xff; 32]).name(), "(not text)");
        assert_eq!(MessageType::read(&[0; 32]).name(), "");
    }

    #[test]
    fn payload_type_numbers_survive() {
        for number in (0..20).chain([u32::MAX]) {
            assert_eq!(PayloadType::read(number).number(), number);
        }
    }
}

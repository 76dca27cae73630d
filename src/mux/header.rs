use super::StreamId;

/// The eight bytes in front of every frame's payload.
///
/// ```text
///   0         1         2       4           8
///   | version | command | length | stream id |     integers little-endian
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) command: Command,
    /// Bytes of payload that follow.
    pub(super) length: u16,
    pub(super) stream: StreamId,
}

/// What a frame does. Command 4 (UPD) belongs to version 2, whose flow control the real agent
/// does not use, and counts as unknown, though the library takes it in version 1, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Command {
    /// Opens a stream.
    Syn = 0,
    /// The sender sends nothing more on this stream.
    Fin = 1,
    /// Carries payload.
    Psh = 2,
    /// Keeps the session alive.
    Nop = 3,
}

/// Why eight bytes are no frame header. The frame borders are lost, the session cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HeaderError {
    /// The first byte is not 1.
    #[error("mux frame of version {0}, only version 1 is spoken")]
    Version(u8),
    /// The second byte is none of the four commands of version 1.
    #[error("mux frame with unknown command {0}")]
    Command(u8),
}

impl Header {
    pub(super) fn encode(self) -> [u8; HEADER_LEN] {
        let [l0, l1] = self.length.to_le_bytes();
        let [s0, s1, s2, s3] = self.stream.0.to_le_bytes();
        [VERSION, self.command as u8, l0, l1, s0, s1, s2, s3]
    }

    pub(super) fn decode(bytes: [u8; HEADER_LEN]) -> Result<Header, HeaderError> {
        let [version, command, l0, l1, s0, s1, s2, s3] = bytes;
        if version != VERSION {
            return Err(HeaderError::Version(version));
        }
        let command = match command {
            0 => Command::Syn,
            1 => Command::Fin,
            2 => Command::Psh,
            3 => Command::Nop,
            unknown => return Err(HeaderError::Command(unknown)),
        };
        Ok(Header {
            command,
            length: u16::from_le_bytes([l0, l1]),
            stream: StreamId(u32::from_le_bytes([s0, s1, s2, s3])),
        })
    }
}

/// Bytes of a frame header.
pub const HEADER_LEN: usize = 8;

/// Most bytes of payload in one frame, what its length field can say.
pub const MAX_FRAME: usize = 65_535;

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_little_endian() {
        let header =
            Header { command: Command::Psh, length: 0x0203, stream: StreamId(0x0405_0607) };
        let bytes = [1, 2, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04];
        assert_eq!(header.encode(), bytes);
        assert_eq!(Header::decode(bytes), Ok(header));
    }

    #[test]
    fn every_command_survives_the_wire() {
        for command in [Command::Syn, Command::Fin, Command::Psh, Command::Nop] {
            let header = Header { command, length: 7, stream: StreamId(3) };
            assert_eq!(Header::decode(header.encode()), Ok(header));
        }
    }

    #[test]
    fn other_versions_and_commands_are_errors() {
        assert_eq!(Header::decode([2, 0, 0, 0, 3, 0, 0, 0]), Err(HeaderError::Version(2)));
        assert_eq!(Header::decode([1, 4, 8, 0, 3, 0, 0, 0]), Err(HeaderError::Command(4)));
    }
}

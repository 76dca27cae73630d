use bytes::{Buf, Bytes};

use super::header::{Command, HEADER_LEN, Header, HeaderError};
use super::{Role, StreamId};

/// Finds the frames in a byte stream that arrives in pieces of any size.
///
/// All it keeps between inputs is an unfinished header and how much of a payload is still to
/// come. Payload leaves as slices of the input, never assembled: a frame that is cut over three
/// inputs yields three slices.
#[derive(Default)]
pub(super) struct Parser {
    header: [u8; HEADER_LEN],
    /// How many bytes of `header` have arrived.
    have: usize,
    /// How many bytes of the current frame's payload have not.
    left: usize,
    /// Whose payload it is; none for payload that is skipped.
    payload_of: Option<StreamId>,
    /// Whether frames with unknown commands are skipped, or end the session.
    skips_unknown: bool,
}

/// What the mux has to know of a frame, or of part of one.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Piece {
    Syn(StreamId),
    Fin(StreamId),
    /// At least one byte of payload.
    Payload(StreamId, Bytes),
}

impl Parser {
    /// The parser of one end. A server takes an unknown command for a mistake of its client, as the
    /// real agent does; a client skips what a later agent may have to say.
    pub(super) fn new(role: Role) -> Self {
        Self { skips_unknown: role == Role::Client, ..Self::default() }
    }

    /// Takes the next piece off the front of `input`; none when all of it is used up.
    pub(super) fn next(&mut self, input: &mut Bytes) -> Result<Option<Piece>, HeaderError> {
        loop {
            if self.left > 0 {
                if input.is_empty() {
                    return Ok(None);
                }
                let slice = input.split_to(self.left.min(input.len()));
                self.left -= slice.len();
                if let Some(stream) = self.payload_of {
                    return Ok(Some(Piece::Payload(stream, slice)));
                }
                continue;
            }
            let Some(header) = self.next_header(input)? else {
                return Ok(None);
            };
            self.left = usize::from(header.length);
            // The other commands carry no payload by definition. Should one come with a length
            // all the same, its bytes are skipped, which keeps the frame borders.
            self.payload_of = (header.command == Command::Psh).then_some(header.stream);
            match header.command {
                Command::Syn => return Ok(Some(Piece::Syn(header.stream))),
                Command::Fin => return Ok(Some(Piece::Fin(header.stream))),
                Command::Psh | Command::Nop => {}
            }
        }
    }

    fn next_header(&mut self, input: &mut Bytes) -> Result<Option<Header>, HeaderError> {
        let take = input.len().min(HEADER_LEN - self.have);
        input.copy_to_slice(&mut self.header[self.have..self.have + take]);
        self.have += take;
        if self.have < HEADER_LEN {
            return Ok(None);
        }
        self.have = 0;
        match Header::decode(self.header) {
            Err(HeaderError::Command(_)) if self.skips_unknown => {
                // Its length tells where it ends, as that of every frame does.
                let mut skipped = self.header;
                skipped[1] = Command::Nop as u8;
                Header::decode(skipped).map(Some)
            }
            decoded => decoded.map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(command: Command, stream: u32, payload: &[u8]) -> Vec<u8> {
        let header = Header { command, length: payload.len() as u16, stream: StreamId(stream) };
        [&header.encode(), payload].concat()
    }

    fn pieces(parser: &mut Parser, input: &[u8]) -> Vec<Piece> {
        let mut input = Bytes::copy_from_slice(input);
        let mut found = Vec::new();
        while let Some(piece) = parser.next(&mut input).expect("valid frames") {
            found.push(piece);
        }
        assert!(input.is_empty(), "the parser takes all of its input");
        found
    }

    #[test]
    fn payload_is_a_slice_of_the_input() {
        let input = Bytes::from(frame(Command::Psh, 3, b"payload"));
        let mut rest = input.clone();
        let piece = Parser::default().next(&mut rest).unwrap();
        let Some(Piece::Payload(StreamId(3), payload)) = piece else {
            panic!("expected payload, found {piece:?}");
        };
        assert_eq!(payload.as_ptr(), input[HEADER_LEN..].as_ptr());
        assert_eq!(payload, &b"payload"[..]);
    }

    #[test]
    fn payload_is_delivered_before_its_frame_is_complete() {
        let mut parser = Parser::default();
        let bytes = frame(Command::Psh, 3, b"abcdef");
        let payload = |text: &'static [u8]| Piece::Payload(StreamId(3), Bytes::from_static(text));
        assert_eq!(pieces(&mut parser, &bytes[..5]), []);
        assert_eq!(pieces(&mut parser, &bytes[5..10]), [payload(b"ab")]);
        assert_eq!(pieces(&mut parser, &bytes[10..11]), [payload(b"c")]);
        assert_eq!(pieces(&mut parser, &bytes[11..]), [payload(b"def")]);
    }

    #[test]
    fn a_length_on_other_commands_is_skipped() {
        let bytes = [
            frame(Command::Syn, 3, b"x"),
            frame(Command::Nop, 0, b"yyyyyyyyy"),
            frame(Command::Psh, 3, b""),
            frame(Command::Fin, 3, b"zz"),
        ]
        .concat();
        let expected = [Piece::Syn(StreamId(3)), Piece::Fin(StreamId(3))];
        assert_eq!(pieces(&mut Parser::default(), &bytes), expected);
    }

    proptest! {
        /// Wherever the byte stream is cut, the same frames and the same payload come out.
        #[test]
        fn cuts_change_nothing(
            frames in prop::collection::vec(
                (0..4u8, 0..4u32, prop::collection::vec(any::<u8>(), 0..30)), 0..20),
            cuts in prop::collection::vec(1..12usize, 1..20),
        ) {
            let mut bytes = Vec::new();
            let mut expected = Vec::new();
            for (command, stream, payload) in &frames {
                let command = Header::decode([1, *command, 0, 0, 0, 0, 0, 0]).unwrap().command;
                bytes.extend(frame(command, *stream, payload));
                match command {
                    Command::Syn | Command::Fin => expected.push((command, *stream, Vec::new())),
                    Command::Psh => expected.push((command, *stream, payload.clone())),
                    Command::Nop => {}
                }
            }
            join_payload(&mut expected);

            let mut parser = Parser::default();
            let mut found = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                let (input, after) = rest.split_at((*cut).min(rest.len()));
                for piece in pieces(&mut parser, input) {
                    found.push(match piece {
                        Piece::Syn(stream) => (Command::Syn, stream.0, Vec::new()),
                        Piece::Fin(stream) => (Command::Fin, stream.0, Vec::new()),
                        Piece::Payload(stream, slice) => (Command::Psh, stream.0, slice.to_vec()),
                    });
                }
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            join_payload(&mut found);
            prop_assert_eq!(found, expected);
        }
    }

    /// Makes one entry of neighbouring payload of one stream, as frame borders mean nothing.
    fn join_payload(pieces: &mut Vec<(Command, u32, Vec<u8>)>) {
        pieces.retain(|(command, _, payload)| *command != Command::Psh || !payload.is_empty());
        pieces.dedup_by(|next, first| {
            let joins = next.0 == Command::Psh && first.0 == Command::Psh && next.1 == first.1;
            if joins {
                first.2.append(&mut next.2);
            }
            joins
        });
    }
}

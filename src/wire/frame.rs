//! A received frame: a view of the WebSocket message that carried it.

use bytes::{Buf, Bytes};

use super::header::{HEADER_LEN, HEADER_LENGTH_FIELD, Header, field, payload_digest};

/// A decoded frame. Its payload is a slice of the message; nothing was copied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The header's fields.
    pub header: Header,
    /// SHA-256 of the payload, as the sender says.
    pub digest: [u8; 32],
    /// The payload.
    pub payload: Bytes,
}

/// Why a message is no frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// The message ends within the header.
    #[error("frame of {length} bytes is shorter than its {HEADER_LEN}-byte header")]
    Truncated {
        /// Bytes in the message.
        length: usize,
    },
    /// HeaderLength is too small for the fields, or points past the message's end.
    #[error("header length {declared} does not fit a frame of {length} bytes")]
    HeaderLength {
        /// What the header says.
        declared: u32,
        /// Bytes in the message.
        length: usize,
    },
}

impl Frame {
    /// Reads the frame in `message`, without checking the digest. PayloadLength is not looked at, as
    /// neither the agent nor the reference client does: what follows the header is the payload.
    ///
    /// A HeaderLength that cannot be right is passed over in a message of the service, which comes but
    /// once. Everything else comes again, and is not read where the real agent would not.
    ///
    /// # Errors
    /// When the message does not hold the header that it declares. Unknown message and payload
    /// types are values.
    #[inline]
    pub fn decode(mut message: Bytes) -> Result<Self, FrameError> {
        let length = message.len();
        let raw: &[u8; HEADER_LEN] =
            message.first_chunk().ok_or(FrameError::Truncated { length })?;

        let declared = u32::from_be_bytes(field(raw, 0));
        let mut payload_start = (declared as usize).saturating_add(4);
        let (header, digest) = (Header::read(raw), field(raw, 80));
        if declared < HEADER_LENGTH_FIELD || payload_start > length {
            if !header.message_type.is_of_service() {
                return Err(FrameError::HeaderLength { declared, length });
            }
            payload_start = HEADER_LEN;
        }
        message.advance(payload_start);
        Ok(Self { header, digest, payload: message })
    }

    /// Whether the payload is what the sender took the digest of. An empty payload has no digest
    /// to check (the reference client leaves the field as it is).
    pub fn digest_matches(&self) -> bool {
        self.payload.is_empty() || payload_digest(&self.payload) == self.digest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::{Flags, MessageType, Packet, PacketPool, PayloadType};
    use super::*;

    fn header() -> Header {
        Header {
            message_type: MessageType::InputStreamData,
            created_ms: 1_795_282_361_825,
            sequence_number: 1,
            flags: Flags::NONE,
            message_id: Uuid::from_u128(0xfe6c_e51b_c78c_4810_94f6_17c6_3d34_a5e9),
            payload_type: PayloadType::Output,
        }
    }

    fn encoded(payload: &[u8]) -> Vec<u8> {
        header().encode(Packet::copy_from(payload)).to_vec()
    }

    #[test]
    fn payload_is_a_slice_of_the_message() {
        let message = Bytes::from(encoded(b"zero copy"));
        let place = message[HEADER_LEN..].as_ptr();
        let frame = Frame::decode(message).unwrap();
        assert_eq!(frame.payload, "zero copy");
        assert_eq!(frame.payload.as_ptr(), place);
        assert!(frame.digest_matches());
    }

    #[test]
    fn encoding_copies_no_payload() {
        let packet = PacketPool::new(4096).packet(b"zero copy");
        let place = packet.payload().as_ptr();
        let frame = header().encode(packet);
        assert_eq!(frame[HEADER_LEN..].as_ptr(), place);
    }

    fn with_header_length(declared: u32, name: &[u8]) -> Result<Frame, FrameError> {
        let mut message = encoded(b"12345");
        message[0..4].copy_from_slice(&declared.to_be_bytes());
        message[4..][..name.len()].copy_from_slice(name);
        Frame::decode(message.into())
    }

    #[test]
    fn a_header_that_the_message_does_not_hold_is_an_error() {
        for declared in [0, 115, 122, u32::MAX] {
            for name in [&b"something"[..], b""] {
                let error = with_header_length(declared, name).unwrap_err();
                assert_eq!(error, FrameError::HeaderLength { declared, length: 125 });
            }
        }
        let short = Frame::decode(encoded(b"12345")[..119].to_vec().into());
        assert_eq!(short, Err(FrameError::Truncated { length: 119 }));
        assert!(Frame::decode(Bytes::new()).is_err());
    }

    #[test]
    fn a_header_length_that_cannot_be_right_is_no_matter_in_a_message_of_the_service() {
        for name in [&b"channel_closed   "[..], b"start_publication", b"pause_publication"] {
            for declared in [0, 115, 122, u32::MAX] {
                let frame = with_header_length(declared, name).unwrap();
                assert_eq!(frame.payload, "12345");
            }
        }
    }

    #[test]
    fn a_longer_header_moves_the_payload() {
        // PayloadLength is the last of a header, so the new field may stand on either side of it.
        for place in [116, HEADER_LEN] {
            let mut message = encoded(b"data");
            message[0..4].copy_from_slice(&120u32.to_be_bytes());
            message.splice(place..place, [9, 9, 9, 9]);
            assert_eq!(Frame::decode(message.into()).unwrap().payload, "data");
        }
    }

    #[test]
    fn a_wrong_payload_length_is_no_matter() {
        for wrong in [0, 4, u32::MAX] {
            let mut message = encoded(b"12345");
            message[116..120].copy_from_slice(&wrong.to_be_bytes());
            let frame = Frame::decode(message.into()).unwrap();
            assert_eq!(frame.payload, "12345");
            assert!(frame.digest_matches());
        }
    }

    #[test]
    fn a_changed_payload_is_noticed() {
        let mut message = encoded(b"data");
        message[HEADER_LEN] ^= 1;
        assert!(!Frame::decode(message.into()).unwrap().digest_matches());
        let mut empty = encoded(b"");
        empty[80] ^= 1;
        assert!(Frame::decode(empty.into()).unwrap().digest_matches());
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            payload in proptest::collection::vec(any::<u8>(), 0..2000),
            created_ms: u64, sequence_number: i64, flags: u64, id: u128, payload_type: u32,
            name in proptest::array::uniform32(any::<u8>()),
        ) {
            let header = Header {
                message_type: MessageType::read(&name),
                created_ms,
                sequence_number,
                flags: Flags(flags),
                message_id: Uuid::from_u128(id),
                payload_type: PayloadType::read(payload_type),
            };
            let frame = Frame::decode(header.encode(Packet::copy_from(&payload))).unwrap();
            prop_assert_eq!(frame.header, header);
            prop_assert!(frame.digest_matches());
            prop_assert_eq!(&frame.payload[..], &payload[..]);
        }

        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(frame) = Frame::decode(bytes.into()) {
                let _ = frame.digest_matches();
            }
        }
    }
}

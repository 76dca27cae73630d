//! The 120-byte header in front of every payload.
//!
//! ```text
//!   offset size field
//!        0    4 HeaderLength    116: the payload starts at HeaderLength + 4
//!        4   32 MessageType     ASCII, padded with spaces
//!       36    4 SchemaVersion   1
//!       40    8 CreatedDate     milliseconds since 1970; 0 makes the agent drop the frame
//!       48    8 SequenceNumber  signed, one count per direction, from 0
//!       56    8 Flags
//!       64   16 MessageId       UUID, halves swapped
//!       80   32 PayloadDigest   SHA-256 of the payload as sent
//!      112    4 PayloadType
//!      116    4 PayloadLength
//! ```

use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Flags, MessageType, Packet, PayloadType, message_id};

/// Bytes from the frame's start to its payload.
pub const HEADER_LEN: usize = 120;

/// What the HeaderLength field says: it does not count itself.
pub(super) const HEADER_LENGTH_FIELD: u32 = 116;

const SCHEMA_VERSION: u32 = 1;

/// The fields of a header that are not derived from the payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The frame's kind.
    pub message_type: MessageType,
    /// When the message was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// Its place among the data messages of its direction, from 0.
    pub sequence_number: i64,
    /// Stream flags.
    pub flags: Flags,
    /// The id by which it is acknowledged.
    pub message_id: Uuid,
    /// What the payload is.
    pub payload_type: PayloadType,
}

impl Header {
    /// Writes the header in front of `packet`'s payload and takes the payload's digest.
    pub fn encode(&self, mut packet: Packet) -> Bytes {
        let digest = payload_digest(packet.payload());
        // Payloads come from packets, which are far below 4 GiB.
        let payload_len = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        self.write(packet.claim(), &digest, payload_len);
        packet.freeze()
    }

    /// Field by field in place: a header that is put together elsewhere and then copied costs
    /// several times as much.
    #[inline]
    fn write(&self, out: &mut [u8; HEADER_LEN], digest: &[u8; 32], payload_len: u32) {
        out[0..4].copy_from_slice(&HEADER_LENGTH_FIELD.to_be_bytes());
        out[4..36].copy_from_slice(&self.message_type.field());
        out[36..40].copy_from_slice(&SCHEMA_VERSION.to_be_bytes());
        out[40..48].copy_from_slice(&self.created_ms.to_be_bytes());
        out[48..56].copy_from_slice(&self.sequence_number.to_be_bytes());
        out[56..64].copy_from_slice(&self.flags.0.to_be_bytes());
        out[64..80].copy_from_slice(&message_id::to_wire(self.message_id));
        out[80..112].copy_from_slice(digest);
        out[112..116].copy_from_slice(&self.payload_type.number().to_be_bytes());
        out[116..120].copy_from_slice(&payload_len.to_be_bytes());
    }

    /// Reads the fixed fields of a header that is known to be whole.
    #[inline]
    pub(super) fn read(raw: &[u8; HEADER_LEN]) -> Self {
        Self {
            message_type: MessageType::read(&field(raw, 4)),
            created_ms: u64::from_be_bytes(field(raw, 40)),
            sequence_number: i64::from_be_bytes(field(raw, 48)),
            flags: Flags(u64::from_be_bytes(field(raw, 56))),
            message_id: message_id::from_wire(field(raw, 64)),
            payload_type: PayloadType::read(u32::from_be_bytes(field(raw, 112))),
        }
    }
}

/// SHA-256 of a payload.
///
/// One function for both directions: inlined into each, parts of it stay calls that hand the
/// hash's state around by value, at 10 ns a frame.
#[inline(never)]
pub(super) fn payload_digest(payload: &[u8]) -> [u8; 32] {
    Sha256::digest(payload).into()
}

/// The `N` bytes at `offset`; both are constants within the header.
pub(super) fn field<const N: usize>(raw: &[u8; HEADER_LEN], offset: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&raw[offset..offset + N]);
    out
}

//! Frames by hand: the layout as it is documented, and none of the crate's own code, so that each
//! checks the other.

use sha2::{Digest, Sha256};

/// A frame of the data channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawFrame {
    pub message_type: String,
    pub created_ms: u64,
    pub sequence_number: i64,
    pub flags: u64,
    /// In the order of the UUID's text.
    pub message_id: [u8; 16],
    pub payload_type: u32,
    pub payload: Vec<u8>,
    pub digest: [u8; 32],
}

impl RawFrame {
    /// A frame with a sound digest and an id made from its place in the stream.
    pub fn new(
        message_type: &str,
        sequence_number: i64,
        payload_type: u32,
        payload: &[u8],
    ) -> Self {
        let mut message_id = [0x40; 16];
        message_id[8..].copy_from_slice(&sequence_number.to_be_bytes());
        message_id[8] = 0x80;
        Self {
            message_type: message_type.to_owned(),
            created_ms: 1_795_282_361_825,
            sequence_number,
            flags: 0,
            message_id,
            payload_type,
            payload: payload.to_vec(),
            digest: Sha256::digest(payload).into(),
        }
    }

    /// The acknowledgement of a data frame.
    pub fn acknowledgement(of: &Self) -> Self {
        let payload = acknowledgement_text(of);
        Self { flags: 3, ..Self::new(ACKNOWLEDGE, 0, 0, payload.as_bytes()) }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut message_type = self.message_type.clone().into_bytes();
        message_type.resize(32, b' ');
        let mut out = Vec::with_capacity(120 + self.payload.len());
        out.extend(116u32.to_be_bytes());
        out.extend(message_type);
        out.extend(1u32.to_be_bytes());
        out.extend(self.created_ms.to_be_bytes());
        out.extend(self.sequence_number.to_be_bytes());
        out.extend(self.flags.to_be_bytes());
        out.extend(&self.message_id[8..]);
        out.extend(&self.message_id[..8]);
        out.extend(self.digest);
        out.extend(self.payload_type.to_be_bytes());
        out.extend((self.payload.len() as u32).to_be_bytes());
        out.extend(&self.payload);
        out
    }

    /// Reads a frame that must be sound in every field.
    pub fn parse(bytes: &[u8]) -> Self {
        assert!(bytes.len() >= 120, "a frame of {} bytes", bytes.len());
        let u32_at = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let u64_at = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
        assert_eq!(u32_at(0), 116, "HeaderLength");
        assert_eq!(u32_at(36), 1, "SchemaVersion");
        assert_eq!(u32_at(116) as usize, bytes.len() - 120, "PayloadLength");
        let message_type = std::str::from_utf8(&bytes[4..36]).expect("ASCII");
        assert_eq!(message_type.len(), 32);
        assert!(!message_type.contains('\0'), "padded with spaces");
        let mut message_id = [0; 16];
        message_id[8..].copy_from_slice(&bytes[64..72]);
        message_id[..8].copy_from_slice(&bytes[72..80]);
        let frame = Self {
            message_type: message_type.trim_end().to_owned(),
            created_ms: u64_at(40),
            sequence_number: u64_at(48) as i64,
            flags: u64_at(56),
            message_id,
            payload_type: u32_at(112),
            payload: bytes[120..].to_vec(),
            digest: bytes[80..112].try_into().unwrap(),
        };
        assert!(frame.created_ms > 1_600_000_000_000, "CreatedDate in milliseconds");
        assert_eq!(frame.digest[..], Sha256::digest(&frame.payload)[..], "PayloadDigest");
        frame
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("text")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.payload).expect("JSON")
    }

    /// The id as text.
    pub fn id(&self) -> String {
        let hex: String = self.message_id.iter().map(|byte| format!("{byte:02x}")).collect();
        let cut = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        cut.join("-")
    }
}

/// The document that names one data frame, as the reference client writes it.
pub fn acknowledgement_text(of: &RawFrame) -> String {
    format!(
        r#"{{"AcknowledgedMessageType":"{}","AcknowledgedMessageId":"{}","AcknowledgedMessageSequenceNumber":{},"IsSequentialMessage":true}}"#,
        of.message_type,
        of.id(),
        of.sequence_number
    )
}

/// A frame of the multiplexer, version 1.
pub fn smux(command: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![1, command];
    out.extend((payload.len() as u16).to_le_bytes());
    out.extend(stream.to_le_bytes());
    out.extend(payload);
    out
}

/// Takes the first whole frame of the multiplexer off `bytes`: command, stream, payload.
pub fn take_smux(bytes: &mut Vec<u8>) -> Option<(u8, u32, Vec<u8>)> {
    let header: [u8; 8] = bytes.get(..8)?.try_into().unwrap();
    let [version, command, low, high, stream @ ..] = header;
    assert_eq!(version, 1, "smux version");
    let end = 8 + usize::from(u16::from_le_bytes([low, high]));
    let payload = bytes.get(8..end)?.to_vec();
    bytes.drain(..end);
    Some((command, u32::from_le_bytes(stream), payload))
}

pub const INPUT: &str = "input_stream_data";
pub const OUTPUT: &str = "output_stream_data";
pub const ACKNOWLEDGE: &str = "acknowledge";
pub const CHANNEL_CLOSED: &str = "channel_closed";
pub const START_PUBLICATION: &str = "start_publication";

/// Payload types.
pub const STREAM: u32 = 1;
pub const SIZE: u32 = 3;
pub const HANDSHAKE_REQUEST: u32 = 5;
pub const HANDSHAKE_RESPONSE: u32 = 6;
pub const HANDSHAKE_COMPLETE: u32 = 7;
pub const FLAG: u32 = 10;
pub const STDERR: u32 = 11;
pub const EXIT_CODE: u32 = 12;

/// Commands of the multiplexer.
pub const SYN: u8 = 0;
pub const FIN: u8 = 1;
pub const PSH: u8 = 2;
pub const NOP: u8 = 3;

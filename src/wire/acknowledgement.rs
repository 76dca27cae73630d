//! The payload of an `acknowledge` frame: it names one data message that has arrived.
//!
//! An acknowledgement is not cumulative, and both the client and the agent match it by sequence
//! number alone. One goes out for every data message, so it is written without `serde`.

use std::borrow::Cow;

use bytes::BufMut;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Frame, MessageType, lenient};

/// One data message that has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acknowledgement {
    /// Type of the message that arrived.
    pub message_type: MessageType,
    /// Its id.
    pub message_id: Uuid,
    /// Its sequence number.
    pub sequence_number: i64,
}

/// Why a payload is no acknowledgement.
#[derive(Debug, thiserror::Error)]
#[error("acknowledgement is not the expected JSON: {0}")]
pub struct AcknowledgementError(#[from] serde_json::Error);

impl Acknowledgement {
    /// Most bytes that [`write`](Self::write) writes.
    pub const MAX_LEN: usize = 256;

    /// The acknowledgement of `frame`.
    pub fn of(frame: &Frame) -> Self {
        Self {
            message_type: frame.header.message_type,
            message_id: frame.header.message_id,
            sequence_number: frame.header.sequence_number,
        }
    }

    /// Writes the payload, byte for byte as the reference client and the agent do.
    pub fn write(&self, out: &mut impl BufMut) {
        let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
        let mut number = NumberText::default();
        out.put_slice(b"{\"AcknowledgedMessageType\":\"");
        out.put_slice(self.message_type.name().as_bytes());
        out.put_slice(b"\",\"AcknowledgedMessageId\":\"");
        out.put_slice(self.message_id.hyphenated().encode_lower(&mut id).as_bytes());
        out.put_slice(b"\",\"AcknowledgedMessageSequenceNumber\":");
        out.put_slice(number.of(self.sequence_number));
        out.put_slice(b",\"IsSequentialMessage\":true}");
    }

    /// Reads an acknowledgement; fields that it does not know are skipped. Names in another case, and a
    /// number that is text, cost a second look.
    ///
    /// # Errors
    /// When the payload is not JSON or a field is missing. An id that is no UUID is taken as nil:
    /// it decides nothing.
    pub fn read(payload: &[u8]) -> Result<Self, AcknowledgementError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Json<'a> {
            #[serde(borrow)]
            acknowledged_message_type: Cow<'a, str>,
            #[serde(borrow, default)]
            acknowledged_message_id: Cow<'a, str>,
            acknowledged_message_sequence_number: i64,
        }
        let json: Json<'_> = match serde_json::from_slice(payload) {
            Ok(json) => json,
            Err(error) => return Self::read_leniently(payload).ok_or(error.into()),
        };
        Ok(Self {
            message_type: MessageType::from_name(&json.acknowledged_message_type)
                .unwrap_or(MessageType::Unknown([b'?'; 32])),
            message_id: Uuid::try_parse(&json.acknowledged_message_id).unwrap_or_default(),
            sequence_number: json.acknowledged_message_sequence_number,
        })
    }

    fn read_leniently(payload: &[u8]) -> Option<Self> {
        let fields: Map<String, Value> = serde_json::from_slice(payload).ok()?;
        let text = |name| lenient::field(&fields, name).and_then(lenient::text_of);
        let kind = text("AcknowledgedMessageType").and_then(|name| MessageType::from_name(&name));
        let id = text("AcknowledgedMessageId").and_then(|id| Uuid::try_parse(&id).ok());
        Some(Self {
            message_type: kind.unwrap_or(MessageType::Unknown([b'?'; 32])),
            message_id: id.unwrap_or_default(),
            sequence_number: text("AcknowledgedMessageSequenceNumber")?.trim().parse().ok()?,
        })
    }
}

/// Decimal digits without an allocation.
#[derive(Default)]
struct NumberText([u8; 20]);

impl NumberText {
    fn of(&mut self, number: i64) -> &[u8] {
        let mut left = number.unsigned_abs();
        let mut start = self.0.len();
        loop {
            start -= 1;
            self.0[start] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                break;
            }
        }
        if number < 0 {
            start -= 1;
            self.0[start] = b'-';
        }
        &self.0[start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the reference client wrote it.
    const CAPTURED: &str = r#"{"AcknowledgedMessageType":"output_stream_data","AcknowledgedMessageId":"9be8d30b-bb25-4185-ad47-92bfa4e767fd","AcknowledgedMessageSequenceNumber":0,"IsSequentialMessage":true}"#;

    fn captured() -> Acknowledgement {
        Acknowledgement {
            message_type: MessageType::OutputStreamData,
            message_id: Uuid::from_u128(0x9be8_d30b_bb25_4185_ad47_92bf_a4e7_67fd),
            sequence_number: 0,
        }
    }

    #[test]
    fn is_written_as_the_reference_client_does() {
        let mut out = Vec::new();
        captured().write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), CAPTURED);
    }

    #[test]
    fn is_read_back() {
        assert_eq!(Acknowledgement::read(CAPTURED.as_bytes()).unwrap(), captured());
        for number in [1, 9, 10, 1234, i64::MAX, -1, i64::MIN] {
            let one = Acknowledgement { sequence_number: number, ..captured() };
            let mut out = Vec::new();
            one.write(&mut out);
            assert!(out.len() <= Acknowledgement::MAX_LEN);
            assert_eq!(Acknowledgement::read(&out).unwrap(), one);
        }
    }

    #[test]
    fn names_in_another_case_and_numbers_as_text_are_understood() {
        let lower = CAPTURED.replace("Acknowledged", "acknowledged").replace(":0,", ":\"0\",");
        assert_eq!(Acknowledgement::read(lower.as_bytes()).unwrap(), captured());
    }

    #[test]
    fn broken_payloads_are_errors() {
        for payload in ["", "{}", "[]", "null", &CAPTURED[..60], "\u{0}\u{ff}"] {
            assert!(Acknowledgement::read(payload.as_bytes()).is_err(), "{payload}");
        }
        let odd_id = CAPTURED.replace("9be8d30b-", "not-a-uuid");
        assert_eq!(Acknowledgement::read(odd_id.as_bytes()).unwrap().message_id, Uuid::nil());
    }
}

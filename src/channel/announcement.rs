//! Messages of the service itself, which an embedded endpoint has to write.

use bytes::Bytes;
use uuid::Uuid;

use crate::wire::{Flags, Header, MessageType, Packet, PayloadType, control::ServiceMessage};

/// The frame of a `start_publication`, `pause_publication` or `channel_closed`: outside the
/// sequence, and never acknowledged. `output` is for the user: why a session is over.
pub fn encode(
    message_type: MessageType,
    session_id: &str,
    target: &str,
    output: &str,
    message_id: Uuid,
    created_ms: u64,
) -> Bytes {
    let document = ServiceMessage {
        created_date: created_ms.to_string(),
        destination_id: target.to_owned(),
        message_id: message_id.simple().to_string(),
        message_type: message_type.name().to_owned(),
        output: output.to_owned(),
        schema_version: 1,
        session_id: session_id.to_owned(),
    };
    let header = Header {
        message_type,
        created_ms,
        sequence_number: 0,
        flags: Flags::SYN_FIN,
        message_id,
        payload_type: PayloadType::None,
    };
    // A map with text keys always has a JSON form.
    let json = serde_json::to_vec(&document).unwrap_or_default();
    header.encode(Packet::copy_from(&json))
}

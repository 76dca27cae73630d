//! The small documents around a session: the opening one, flags, publication, the end.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Token, lenient};

/// The first frame after the WebSocket upgrade, a TEXT frame: the client shows its token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OpenDataChannel {
    /// [`MESSAGE_SCHEMA_VERSION`].
    pub message_schema_version: String,
    /// A UUID for this request.
    pub request_id: String,
    /// The token of StartSession or ResumeSession. It goes nowhere else.
    pub token_value: Token,
    /// A UUID for this client, the same for all its data channels.
    #[serde(default)]
    pub client_id: String,
    /// Four-part version of the client.
    #[serde(default)]
    pub client_version: String,
}

impl OpenDataChannel {
    /// The request of client `client_id`.
    pub fn new(request_id: Uuid, token: Token, client_id: Uuid, client_version: &str) -> Self {
        Self {
            message_schema_version: MESSAGE_SCHEMA_VERSION.to_owned(),
            request_id: request_id.to_string(),
            token_value: token,
            client_id: client_id.to_string(),
            client_version: client_version.to_owned(),
        }
    }
}

/// Version of the opening document.
pub const MESSAGE_SCHEMA_VERSION: &str = "1.0";

/// Payload of a [`PayloadType::Flag`](super::PayloadType::Flag) message: four bytes, big-endian.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flag {
    /// 1: the client's one connection is gone, close its counterpart (basic port sessions).
    DisconnectToPort,
    /// 2: end the session.
    TerminateSession,
    /// 3: the agent could not connect to the port.
    ConnectToPortError,
    /// Any other number.
    Unknown(u32),
}

impl Flag {
    /// The payload.
    pub fn to_bytes(self) -> [u8; 4] {
        let number: u32 = match self {
            Self::DisconnectToPort => 1,
            Self::TerminateSession => 2,
            Self::ConnectToPortError => 3,
            Self::Unknown(other) => other,
        };
        number.to_be_bytes()
    }

    /// Reads a payload; `None` when it is shorter than four bytes.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let number = u32::from_be_bytes(*payload.first_chunk()?);
        Some(match number {
            1 => Self::DisconnectToPort,
            2 => Self::TerminateSession,
            3 => Self::ConnectToPortError,
            other => Self::Unknown(other),
        })
    }
}

/// Payload of the service's own messages: `start_publication`, `pause_publication` and
/// `channel_closed` share one form.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceMessage {
    /// Milliseconds since 1970, as text.
    #[serde(deserialize_with = "lenient::text")]
    pub created_date: String,
    /// The node.
    #[serde(deserialize_with = "lenient::text")]
    pub destination_id: String,
    /// An id in hexadecimal without hyphens.
    #[serde(deserialize_with = "lenient::text")]
    pub message_id: String,
    /// The name of the message's type.
    #[serde(deserialize_with = "lenient::text")]
    pub message_type: String,
    /// Of `channel_closed`: why, in words for the user; empty for an ordinary end.
    #[serde(deserialize_with = "lenient::text")]
    pub output: String,
    /// 1.
    #[serde(deserialize_with = "lenient::number")]
    pub schema_version: u32,
    /// The session.
    #[serde(deserialize_with = "lenient::text")]
    pub session_id: String,
}

impl ServiceMessage {
    /// Reads a document; what cannot be read says nothing.
    pub fn read(json: &[u8]) -> Self {
        let names = [
            "CreatedDate",
            "DestinationId",
            "MessageId",
            "MessageType",
            "Output",
            "SchemaVersion",
            "SessionId",
        ];
        lenient::from_slice(json, &names).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_survive() {
        for number in 0..6u32 {
            let flag = Flag::read(&number.to_be_bytes()).unwrap();
            assert_eq!(flag.to_bytes(), number.to_be_bytes());
        }
        assert_eq!(Flag::read(&[0, 0, 0, 2]), Some(Flag::TerminateSession));
        assert_eq!(Flag::read(&[0, 0, 0]), None);
    }

    #[test]
    fn opening_has_the_reference_clients_form_and_hides_its_token_elsewhere() {
        let token = Token::new("secret-token");
        let open = OpenDataChannel::new(Uuid::nil(), token, Uuid::nil(), "1.2.764.0");
        let nil = Uuid::nil();
        assert_eq!(
            serde_json::to_string(&open).unwrap(),
            format!(
                r#"{{"MessageSchemaVersion":"1.0","RequestId":"{nil}","TokenValue":"secret-token","ClientId":"{nil}","ClientVersion":"1.2.764.0"}}"#
            )
        );
        assert!(!format!("{open:?}").contains("secret-token"));
    }

    #[test]
    fn service_messages_may_lack_fields() {
        let closed: ServiceMessage =
            serde_json::from_str(r#"{"SessionId":"s","Output":"why","New":1}"#).unwrap();
        assert_eq!((closed.session_id.as_str(), closed.output.as_str()), ("s", "why"));
        assert!(serde_json::from_str::<ServiceMessage>("7").is_err());
    }

    #[test]
    fn the_reason_of_an_end_is_found_in_whatever_shape_it_comes() {
        for (json, expected) in [
            (r#"{"Output":"why","SchemaVersion":"1","CreatedDate":1764300000000}"#, "why"),
            (r#"{"Output":"why","SchemaVersion":-1,"SessionId":null}"#, "why"),
            (r#"{"sessionId":"s-1","output":"why","schemaVersion":1.0}"#, "why"),
            ("\u{feff}{\"Output\":\"why\"}", "why"),
            (r#"{"Output":{"reason":"why"}}"#, r#"{"reason":"why"}"#),
            (r#"{"Output":null}"#, ""),
            ("", ""),
            ("7", ""),
        ] {
            assert_eq!(ServiceMessage::read(json.as_bytes()).output, expected, "{json}");
        }
    }
}

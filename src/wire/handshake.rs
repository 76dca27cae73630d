//! The JSON documents of the handshake: what the agent asks for, what the client answers.
//!
//! ```text
//!   agent                         client
//!     | -- HandshakeRequest  ------> |   what kind of session; encrypt?
//!     | <- HandshakeResponse ------- |   done, failed or unsupported, for each
//!     | -- HandshakeComplete ------> |   from here on the stream's data flows
//! ```

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lenient;

/// What the session carries, as the agent names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionType {
    /// A shell on a terminal.
    StandardStream,
    /// One command on a terminal.
    InteractiveCommands,
    /// One command without a terminal.
    NonInteractiveCommands,
    /// TCP or a stream such as SSH's.
    Port,
    /// Any other name.
    Unknown(String),
}

impl SessionType {
    /// The name on the wire.
    pub fn name(&self) -> &str {
        match self {
            Self::StandardStream => "Standard_Stream",
            Self::InteractiveCommands => "InteractiveCommands",
            Self::NonInteractiveCommands => "NonInteractiveCommands",
            Self::Port => "Port",
            Self::Unknown(name) => name,
        }
    }

    /// The session type called `name`.
    pub fn from_name(name: &str) -> Self {
        match name {
            "Standard_Stream" => Self::StandardStream,
            "InteractiveCommands" => Self::InteractiveCommands,
            "NonInteractiveCommands" => Self::NonInteractiveCommands,
            "Port" => Self::Port,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

/// The agent's first message.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeRequest {
    /// Four-part version of the agent.
    #[serde(default, deserialize_with = "lenient::text")]
    pub agent_version: String,
    /// What the client is asked to do; absent and `null` mean nothing.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub requested_client_actions: Vec<RequestedAction>,
}

impl HandshakeRequest {
    /// Reads a request as the reference client does: whatever the case of its names, with nulls and gaps.
    ///
    /// # Errors
    /// When it is no such document.
    pub fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        let names = [
            "AgentVersion",
            "RequestedClientActions",
            "ActionType",
            "ActionParameters",
            "SessionType",
            "Properties",
            "KMSKeyId",
            "Challenge",
        ];
        lenient::from_slice(json, &names)
    }
}

/// One thing that the client is asked to do.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RequestedAction {
    /// [`SESSION_TYPE`], [`KMS_ENCRYPTION`], or a name that later agents bring; may be empty.
    #[serde(default, deserialize_with = "lenient::text")]
    pub action_type: String,
    /// Its parameters, of a shape that follows from the type.
    #[serde(default)]
    pub action_parameters: Value,
}

/// Action: tells what the session carries.
pub const SESSION_TYPE: &str = "SessionType";
/// Action: encrypt the stream with a key of KMS.
pub const KMS_ENCRYPTION: &str = "KMSEncryption";

/// Parameters of a [`SESSION_TYPE`] action.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SessionTypeParameters {
    /// Name of the [`SessionType`].
    #[serde(deserialize_with = "lenient::text")]
    pub session_type: String,
    /// The document's parameters as the agent saw them; `null` for some types.
    #[serde(default)]
    pub properties: Value,
}

/// The client's answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeResponse {
    /// Four-part version of the client, by which the agent decides what the client understands.
    #[serde(default, deserialize_with = "lenient::text")]
    pub client_version: String,
    /// One entry for each requested action.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub processed_client_actions: Vec<ProcessedAction>,
    /// Errors in words; the reference client writes `null` for none.
    pub errors: Option<Vec<String>>,
}

/// What became of one requested action.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProcessedAction {
    /// The request's type.
    pub action_type: String,
    /// One of the [`ActionStatus`] numbers.
    pub action_status: u8,
    /// The action's result, `null` where it has none.
    #[serde(default)]
    pub action_result: Value,
    /// Why it failed; empty when it did not.
    #[serde(default)]
    pub error: String,
}

/// Numbers of [`ProcessedAction::action_status`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ActionStatus {
    /// Done.
    Success = 1,
    /// Tried in vain.
    Failed = 2,
    /// Not known to this client.
    Unsupported = 3,
}

impl ProcessedAction {
    /// The entry for an action of type `action_type`.
    pub fn new(action_type: &str, status: ActionStatus, error: String) -> Self {
        Self {
            action_type: action_type.to_owned(),
            action_status: status as u8,
            action_result: Value::Null,
            error,
        }
    }
}

/// The agent's last word of the handshake.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeComplete {
    /// How long the handshake took, in nanoseconds.
    #[serde(default, deserialize_with = "lenient::number")]
    pub handshake_time_to_complete: i64,
    /// Text of the account's owner to be shown to the user; often empty.
    #[serde(default, deserialize_with = "lenient::text")]
    pub customer_message: String,
}

impl HandshakeComplete {
    /// Reads the agent's last word; what cannot be read says nothing.
    pub fn read(json: &[u8]) -> Self {
        lenient::from_slice(json, &["HandshakeTimeToComplete", "CustomerMessage"])
            .unwrap_or_default()
    }
}

/// Go writes an empty list as `null`.
fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As the real agent wrote it.
    const REQUEST: &str = r#"{"AgentVersion":"3.3.0.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port","Properties":{"localPortNumber":"0","portNumber":"9100","type":"LocalPortForwarding"}}}]}"#;
    /// As the reference client wrote it.
    const RESPONSE: &str = r#"{"ClientVersion":"1.2.707.0","ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""}],"Errors":null}"#;
    /// As the real agent wrote it.
    const COMPLETE: &str = r#"{"HandshakeTimeToComplete":3351823,"CustomerMessage":""}"#;

    #[test]
    fn request_is_read_and_written_as_captured() {
        let request: HandshakeRequest = serde_json::from_str(REQUEST).unwrap();
        let action = &request.requested_client_actions[0];
        assert_eq!(action.action_type, SESSION_TYPE);
        let parameters: SessionTypeParameters =
            serde_json::from_value(action.action_parameters.clone()).unwrap();
        assert_eq!(SessionType::from_name(&parameters.session_type), SessionType::Port);
        assert_eq!(parameters.properties["portNumber"], json!("9100"));
        assert_eq!(serde_json::to_string(&request).unwrap(), REQUEST);
    }

    #[test]
    fn response_is_written_as_captured() {
        let response = HandshakeResponse {
            client_version: "1.2.707.0".to_owned(),
            processed_client_actions: vec![ProcessedAction::new(
                SESSION_TYPE,
                ActionStatus::Success,
                String::new(),
            )],
            errors: None,
        };
        assert_eq!(serde_json::to_string(&response).unwrap(), RESPONSE);
        assert_eq!(serde_json::from_str::<HandshakeResponse>(RESPONSE).unwrap(), response);
    }

    #[test]
    fn complete_is_read_and_written_as_captured() {
        let complete: HandshakeComplete = serde_json::from_str(COMPLETE).unwrap();
        assert_eq!(complete.handshake_time_to_complete, 3_351_823);
        assert_eq!(serde_json::to_string(&complete).unwrap(), COMPLETE);
    }

    #[test]
    fn nulls_and_missing_fields_are_empty() {
        let request: HandshakeRequest =
            serde_json::from_str(r#"{"RequestedClientActions":null}"#).unwrap();
        assert!(request.requested_client_actions.is_empty());
        let complete: HandshakeComplete =
            serde_json::from_str(r#"{"CustomerMessage":null}"#).unwrap();
        assert_eq!(complete, HandshakeComplete::default());
        let parameters: SessionTypeParameters =
            serde_json::from_str(r#"{"SessionType":"NonInteractiveCommands","Properties":null}"#)
                .unwrap();
        assert_eq!(parameters.properties, Value::Null);
    }

    #[test]
    fn documents_are_read_whatever_the_case_of_their_names() {
        let lower = REQUEST
            .replace("AgentVersion", "agentVersion")
            .replace("RequestedClientActions", "requestedclientactions")
            .replace("ActionType", "actionType")
            .replace("ActionParameters", "actionParameters")
            .replace("\"SessionType\":\"Port", "\"sessionType\":\"Port")
            .replace("Properties", "properties");
        let expected: HandshakeRequest = serde_json::from_str(REQUEST).unwrap();
        assert_eq!(HandshakeRequest::read(lower.as_bytes()).unwrap(), expected);
        let odd =
            br#"{"AgentVersion":null,"RequestedClientActions":[null,{"ActionType":null},{}]}"#;
        let odd = HandshakeRequest::read(odd).unwrap();
        assert_eq!((&*odd.agent_version, odd.requested_client_actions.len()), ("", 2));

        let complete = br#"{"handshakeTimeToComplete":"7","customermessage":"hi"}"#;
        let complete = HandshakeComplete::read(complete);
        assert_eq!((complete.handshake_time_to_complete, &*complete.customer_message), (7, "hi"));
        assert_eq!(HandshakeComplete::read(b"no JSON"), HandshakeComplete::default());
    }

    #[test]
    fn names_of_session_types_survive() {
        for name in
            ["Standard_Stream", "InteractiveCommands", "NonInteractiveCommands", "Port", "X"]
        {
            assert_eq!(SessionType::from_name(name).name(), name);
        }
    }
}

//! The handshake of both roles: which documents are answered with which.

use serde_json::Value;

use super::ChannelError;
use crate::wire::{
    Version,
    handshake::{
        ActionStatus, HandshakeComplete, HandshakeRequest, HandshakeResponse, KMS_ENCRYPTION,
        ProcessedAction, RequestedAction, SESSION_TYPE, SessionType, SessionTypeParameters,
    },
};

/// What both sides have agreed on when data may flow.
#[derive(Clone, PartialEq, Debug)]
pub struct Ready {
    /// What the session carries.
    pub session_type: SessionType,
    /// The document's parameters as the agent tells them; `null` without a handshake.
    pub properties: Value,
    /// The other side's version, as it wrote it; empty without a handshake.
    pub peer_version: String,
    /// Text for the user; empty for none.
    pub customer_message: String,
}

impl Ready {
    /// The agent skipped the handshake and began with output: it is a shell.
    pub(super) fn without_handshake() -> Self {
        Self {
            session_type: SessionType::StandardStream,
            properties: Value::Null,
            peer_version: String::new(),
            customer_message: String::new(),
        }
    }

    /// A property's text; numbers are taken as text too.
    pub fn property(&self, name: &str) -> Option<String> {
        match self.properties.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The other side's version, if it is one.
    pub fn version(&self) -> Option<Version> {
        Version::parse(&self.peer_version)
    }
}

/// Where the handshake stands.
#[derive(PartialEq, Debug)]
pub(super) enum Progress {
    /// Client: nothing has come yet.
    AwaitingRequest,
    /// Client: answered; the agent has to say that it is complete.
    AwaitingComplete(Ready),
    /// Agent: asked; the client has to answer.
    AwaitingResponse(Ready),
    /// Data may flow.
    Done,
}

/// The client's answer to a request, and what it has learnt from it.
pub(super) fn answer(
    payload: &[u8],
    client_version: &str,
) -> Result<(HandshakeResponse, Ready), ChannelError> {
    let request: HandshakeRequest = serde_json::from_slice(payload)
        .map_err(|error| ChannelError::HandshakeUnreadable(error.to_string()))?;
    let mut ready = Ready { peer_version: request.agent_version, ..Ready::without_handshake() };
    let actions = request.requested_client_actions.iter();
    let processed = actions.map(|action| process(action, &mut ready)).collect();
    let response = HandshakeResponse {
        client_version: client_version.to_owned(),
        processed_client_actions: processed,
        errors: None,
    };
    Ok((response, ready))
}

fn process(action: &RequestedAction, ready: &mut Ready) -> ProcessedAction {
    let kind = action.action_type.as_str();
    match kind {
        SESSION_TYPE => match SessionTypeParameters::deserialize_from(&action.action_parameters) {
            Ok(parameters) => {
                ready.session_type = SessionType::from_name(&parameters.session_type);
                ready.properties = parameters.properties;
                ProcessedAction::new(kind, ActionStatus::Success, String::new())
            }
            Err(error) => ProcessedAction::new(kind, ActionStatus::Failed, error),
        },
        KMS_ENCRYPTION => ProcessedAction::new(
            kind,
            ActionStatus::Unsupported,
            "this client does not encrypt with KMS".to_owned(),
        ),
        // Later agents may ask for more: say no and go on.
        _ => ProcessedAction::new(
            kind,
            ActionStatus::Unsupported,
            format!("Unsupported action {kind}"),
        ),
    }
}

impl SessionTypeParameters {
    fn deserialize_from(value: &Value) -> Result<Self, String> {
        serde_json::from_value(value.clone()).map_err(|error| error.to_string())
    }
}

/// The agent's request for a session of the given kind.
pub(super) fn request(agent_version: &str, session: &SessionTypeParameters) -> HandshakeRequest {
    HandshakeRequest {
        agent_version: agent_version.to_owned(),
        requested_client_actions: vec![RequestedAction {
            action_type: SESSION_TYPE.to_owned(),
            action_parameters: serde_json::to_value(session).unwrap_or_default(),
        }],
    }
}

/// Checks the client's answer; gives the client's version.
pub(super) fn check_response(payload: &[u8]) -> Result<String, ChannelError> {
    let response: HandshakeResponse = serde_json::from_slice(payload)
        .map_err(|error| ChannelError::HandshakeUnreadable(error.to_string()))?;
    let failed = response
        .processed_client_actions
        .iter()
        .find(|action| action.action_status != ActionStatus::Success as u8);
    match failed {
        None => Ok(response.client_version),
        Some(action) => Err(ChannelError::HandshakeRefused(format!(
            "{} has status {} {}",
            action.action_type, action.action_status, action.error
        ))),
    }
}

/// The agent's last document.
pub(super) fn complete(nanoseconds: u128, customer_message: String) -> HandshakeComplete {
    HandshakeComplete {
        handshake_time_to_complete: i64::try_from(nanoseconds).unwrap_or(i64::MAX),
        customer_message,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answered(request: Value) -> (HandshakeResponse, Ready) {
        answer(request.to_string().as_bytes(), "1.2.764.0").unwrap()
    }

    #[test]
    fn session_type_is_learnt() {
        let (response, ready) = answered(json!({
            "AgentVersion": "3.3.0.0",
            "RequestedClientActions": [{"ActionType": "SessionType", "ActionParameters":
                {"SessionType": "Port", "Properties": {"portNumber": "22", "n": 7}}}]
        }));
        assert_eq!(ready.session_type, SessionType::Port);
        assert_eq!(ready.property("portNumber").as_deref(), Some("22"));
        assert_eq!(ready.property("n").as_deref(), Some("7"));
        assert_eq!(ready.property("none"), None);
        assert_eq!(ready.version(), Some(Version::new(3, 3, 0, 0)));
        assert_eq!(response.processed_client_actions[0].action_status, 1);
        assert_eq!(response.client_version, "1.2.764.0");
    }

    #[test]
    fn unknown_actions_are_refused_and_the_rest_goes_on() {
        let (response, ready) = answered(json!({
            "AgentVersion": "9.0.0.0",
            "RequestedClientActions": [
                {"ActionType": "Teleport", "ActionParameters": {"To": "Mars"}},
                {"ActionType": "SessionType", "ActionParameters": {"SessionType": "Port"}},
                {"ActionType": "SessionType", "ActionParameters": "nonsense"},
            ]
        }));
        let statuses: Vec<u8> =
            response.processed_client_actions.iter().map(|a| a.action_status).collect();
        assert_eq!(statuses, [3, 1, 2]);
        assert_eq!(ready.session_type, SessionType::Port);
    }

    #[test]
    fn unreadable_documents_are_errors() {
        for payload in ["", "{", "7", "{\"RequestedClientActions\": 7}"] {
            assert!(answer(payload.as_bytes(), "1").is_err(), "{payload}");
        }
    }

    #[test]
    fn unreadable_responses_are_errors() {
        for payload in ["", "{", "7", "{\"ProcessedClientActions\": 7}"] {
            assert!(check_response(payload.as_bytes()).is_err(), "{payload}");
        }
    }

    #[test]
    fn a_refusing_client_is_told() {
        let response = json!({"ClientVersion": "1.2.0.0", "ProcessedClientActions": [
            {"ActionType": "SessionType", "ActionStatus": 2, "Error": "no"}], "Errors": ["no"]});
        let error = check_response(response.to_string().as_bytes()).unwrap_err();
        assert!(error.to_string().contains("SessionType has status 2 no"), "{error}");
    }
}

//! The handshake of both roles: which documents are answered with which.

use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use super::{ChannelError, EncryptionDemand, NoDataKey};
use crate::wire::{
    Version,
    encryption::{KmsParameters, KmsResult},
    handshake::{
        ActionStatus, HandshakeComplete, HandshakeRequest, HandshakeResponse, KMS_ENCRYPTION,
        ProcessedAction, RequestedAction, SESSION_TYPE, SessionType, SessionTypeParameters,
    },
    lenient,
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

    /// A property's text, whatever the case of its name; numbers are taken as text too, and so is
    /// the only entry of a list.
    pub fn property(&self, name: &str) -> Option<String> {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        match lenient::field(self.properties.as_object()?, name)? {
            Value::Array(list) => match &list[..] {
                [only] => text(only),
                _ => None,
            },
            value => text(value),
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
    /// Client: asked to encrypt; KMS has to give a data key before this can be answered.
    AwaitingDataKey(Box<Answer>),
    /// Client: answered; the agent has to say that it is complete.
    AwaitingComplete(Ready),
    /// Agent: asked; the client has to answer.
    AwaitingResponse(Ready),
    /// Agent: answered; KMS has to decrypt the data key.
    AwaitingPlaintextKey(Ready),
    /// Both have the data key; the client has to show that it is the same.
    AwaitingChallenge(Ready),
    /// There is no data key: this session carries nothing.
    Refused,
    /// Data may flow.
    Done,
}

/// The client's answer to a request, and what it has learnt from it.
#[derive(PartialEq, Debug)]
pub(super) struct Answer {
    pub(super) response: HandshakeResponse,
    pub(super) ready: Ready,
    pub(super) demand: Option<Demand>,
}

/// Why a session's type is not taken.
#[derive(Debug, Error)]
enum NotTaken {
    /// The reference client's words.
    #[error("Unknown session type {0}")]
    Unknown(String),
    #[error(transparent)]
    Unreadable(#[from] serde_json::Error),
}

/// The agent wants the session encrypted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Demand {
    /// Index of the action in the response.
    action: usize,
    pub(super) key_id: String,
    pub(super) challenge: Option<String>,
}

impl Answer {
    /// Reads a request. What it demands of KMS is left open.
    pub(super) fn to(payload: &[u8], client_version: &str) -> Result<Self, ChannelError> {
        let request = HandshakeRequest::read(payload)
            .map_err(|error| ChannelError::HandshakeUnreadable(error.to_string()))?;
        let response = HandshakeResponse {
            client_version: client_version.to_owned(),
            processed_client_actions: Vec::new(),
            errors: None,
        };
        let ready = Ready { peer_version: request.agent_version, ..Ready::without_handshake() };
        let mut answer = Self { response, ready, demand: None };
        for action in &request.requested_client_actions {
            let processed = answer.process(action);
            answer.response.processed_client_actions.push(processed);
        }
        if answer.is_refused() {
            // KMS need not be asked for the key of a session that carries nothing.
            answer.demand = None;
            let failed = answer.response.processed_client_actions.iter();
            let errors = failed.filter(|action| !action.error.is_empty());
            answer.response.errors = Some(errors.map(|action| action.error.clone()).collect());
        }
        Ok(answer)
    }

    /// Whether nothing can come of the session: it carries what this client does not know.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.ready.session_type, SessionType::Unknown(_))
    }

    fn process(&mut self, action: &RequestedAction) -> ProcessedAction {
        let kind = action.action_type.as_str();
        let parameters = &action.action_parameters;
        match kind {
            SESSION_TYPE => match self.take_session_type(parameters) {
                Ok(()) => ProcessedAction::new(kind, ActionStatus::Success, String::new()),
                Err(why) => {
                    // The reference client's words.
                    let error = format!("Failed to process action {kind}: {why}");
                    ProcessedAction::new(kind, ActionStatus::Failed, error)
                }
            },
            KMS_ENCRYPTION if self.demand.is_none() => match read::<KmsParameters>(parameters) {
                Ok(parameters) => {
                    self.demand = Some(Demand {
                        action: self.response.processed_client_actions.len(),
                        key_id: parameters.key_id,
                        challenge: parameters.challenge.filter(|text| !text.is_empty()),
                    });
                    // Until KMS has answered.
                    ProcessedAction::new(kind, ActionStatus::Failed, String::new())
                }
                Err(error) => ProcessedAction::new(kind, ActionStatus::Failed, error.to_string()),
            },
            // Later agents may ask for more: say no and go on.
            _ => ProcessedAction::new(
                kind,
                ActionStatus::Unsupported,
                format!("Unsupported action {kind}"),
            ),
        }
    }

    /// Learns what the session carries. A later word that cannot be understood changes nothing.
    fn take_session_type(&mut self, parameters: &Value) -> Result<(), NotTaken> {
        let parameters = read::<SessionTypeParameters>(parameters);
        let name = parameters.as_ref().map_or("", |parameters| &parameters.session_type);
        let session_type = SessionType::from_name(name);
        if let SessionType::Unknown(name) = &session_type {
            let why =
                parameters.err().map_or_else(|| NotTaken::Unknown(name.clone()), NotTaken::from);
            if !self.knows_session_type() {
                self.ready.session_type = session_type;
            }
            return Err(why);
        }
        self.ready.session_type = session_type;
        self.ready.properties = parameters?.properties;
        Ok(())
    }

    fn knows_session_type(&self) -> bool {
        self.response.processed_client_actions.iter().any(|action| {
            action.action_type == SESSION_TYPE
                && action.action_status == ActionStatus::Success as u8
        })
    }

    /// Fills in what came of the demand.
    pub(super) fn complete(&mut self, demand: &Demand, result: Result<KmsResult, NoDataKey>) {
        let Some(action) = self.response.processed_client_actions.get_mut(demand.action) else {
            return;
        };
        match result {
            Ok(result) => {
                action.action_status = ActionStatus::Success as u8;
                action.action_result = serde_json::to_value(result).unwrap_or_default();
            }
            Err(NoDataKey(why)) => {
                self.response.errors = Some(vec![why.clone()]);
                action.error = why;
            }
        }
    }
}

fn read<T: DeserializeOwned>(parameters: &Value) -> Result<T, serde_json::Error> {
    T::deserialize(parameters)
}

/// The agent's request for a session of the given kind.
pub(super) fn request(
    agent_version: &str,
    session: &SessionTypeParameters,
    demand: Option<&EncryptionDemand>,
) -> HandshakeRequest {
    let action = |kind: &str, parameters| RequestedAction {
        action_type: kind.to_owned(),
        action_parameters: parameters,
    };
    let session = serde_json::to_value(session).unwrap_or_default();
    let kms = demand.map(|demand| {
        let (key_id, challenge) = (demand.key_id.clone(), demand.challenge.clone());
        serde_json::to_value(KmsParameters { key_id, challenge }).unwrap_or_default()
    });
    let actions = [Some((SESSION_TYPE, session)), kms.map(|kms| (KMS_ENCRYPTION, kms))];
    HandshakeRequest {
        agent_version: agent_version.to_owned(),
        requested_client_actions: actions
            .into_iter()
            .flatten()
            .map(|(kind, parameters)| action(kind, parameters))
            .collect(),
    }
}

/// Checks that the client has done what it was asked for.
pub(super) fn check_response(payload: &[u8]) -> Result<HandshakeResponse, ChannelError> {
    let response: HandshakeResponse = serde_json::from_slice(payload)
        .map_err(|error| ChannelError::HandshakeUnreadable(error.to_string()))?;
    let failed = response
        .processed_client_actions
        .iter()
        .find(|action| action.action_status != ActionStatus::Success as u8);
    match failed {
        None => Ok(response),
        Some(action) => Err(ChannelError::HandshakeRefused(format!(
            "{} has status {} {}",
            action.action_type, action.action_status, action.error
        ))),
    }
}

/// What the client says of the data key.
pub(super) fn kms_result(response: &HandshakeResponse) -> Result<KmsResult, ChannelError> {
    let mut actions = response.processed_client_actions.iter();
    let action = actions.find(|action| action.action_type == KMS_ENCRYPTION).ok_or_else(|| {
        ChannelError::HandshakeRefused(format!("{KMS_ENCRYPTION} was not answered"))
    })?;
    read(&action.action_result)
        .map_err(|error| ChannelError::HandshakeUnreadable(error.to_string()))
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
    use crate::wire::Base64;

    fn answered(request: Value) -> (HandshakeResponse, Ready) {
        let answer = Answer::to(request.to_string().as_bytes(), "1.2.764.0").unwrap();
        (answer.response, answer.ready)
    }

    #[test]
    fn session_type_is_learnt() {
        let (response, ready) = answered(json!({
            "AgentVersion": "3.3.0.0",
            "RequestedClientActions": [{"ActionType": "SessionType", "ActionParameters":
                {"SessionType": "Port", "Properties":
                    {"portNumber": "22", "n": 7, "list": ["a"], "two": ["a", "b"]}}}]
        }));
        assert_eq!(ready.session_type, SessionType::Port);
        assert_eq!(ready.property("portNumber").as_deref(), Some("22"));
        assert_eq!(ready.property("n").as_deref(), Some("7"));
        assert_eq!(ready.property("portnumber").as_deref(), Some("22"));
        assert_eq!(ready.property("none"), None);
        assert_eq!(ready.property("list").as_deref(), Some("a"));
        assert_eq!(ready.property("two"), None);
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
    fn a_session_type_that_is_not_known_is_refused_and_nothing_else_is_asked_for() {
        for (parameters, error) in [
            (json!({"SessionType": "Gateway"}), "Unknown session type Gateway"),
            (json!({"SessionType": "standard_stream"}), "Unknown session type standard_stream"),
            (json!({"SessionType": null}), "missing field"),
            (json!({"SessionType": ""}), "Unknown session type "),
            (json!("nonsense"), "invalid type"),
        ] {
            let request = json!({"AgentVersion": "9.0.0.0", "RequestedClientActions": [
                {"ActionType": "SessionType", "ActionParameters": parameters},
                {"ActionType": "KMSEncryption", "ActionParameters": {"KMSKeyId": "key"}},
            ]});
            let answer = Answer::to(request.to_string().as_bytes(), "1").unwrap();
            assert!(answer.is_refused() && answer.demand.is_none());
            let actions = &answer.response.processed_client_actions;
            let statuses: Vec<u8> = actions.iter().map(|action| action.action_status).collect();
            assert_eq!(statuses, [2, 2]);
            assert!(actions[0].error.contains(error), "{}", actions[0].error);
            assert_eq!(answer.response.errors, Some(vec![actions[0].error.clone()]));
        }
    }

    #[test]
    fn unreadable_documents_are_errors() {
        for payload in ["", "{", "7", "{\"RequestedClientActions\": 7}"] {
            assert!(Answer::to(payload.as_bytes(), "1").is_err(), "{payload}");
        }
    }

    #[test]
    fn unreadable_responses_are_errors() {
        for payload in ["", "{", "7", "{\"ProcessedClientActions\": 7}"] {
            assert!(check_response(payload.as_bytes()).is_err(), "{payload}");
        }
    }

    #[test]
    fn a_demand_for_encryption_is_left_open_until_its_key_is_there() {
        let request = json!({"AgentVersion": "3.3.0.0", "RequestedClientActions": [
            {"ActionType": "SessionType", "ActionParameters": {"SessionType": "Standard_Stream"}},
            {"ActionType": "KMSEncryption",
                "ActionParameters": {"KMSKeyId": "key", "Challenge": ""}},
            {"ActionType": "KMSEncryption", "ActionParameters": {"KMSKeyId": "another"}},
        ]});
        let read = || Answer::to(request.to_string().as_bytes(), "1").unwrap();
        let demand = read().demand.unwrap();
        assert_eq!(
            (&*demand.key_id, &demand.challenge),
            ("key", &None),
            "empty is as good as none"
        );

        let result = KmsResult {
            ciphertext_key: Base64(vec![1]),
            ciphertext_hash: None,
            acknowledges_challenge: true,
        };
        let mut done = read();
        done.complete(&demand, Ok(result.clone()));
        let statuses = |answer: &Answer| {
            let actions = answer.response.processed_client_actions.iter();
            actions.map(|action| action.action_status).collect::<Vec<_>>()
        };
        assert_eq!(statuses(&done), [1, 1, 3]);
        assert!(kms_result(&done.response).unwrap() == result);

        let mut refused = read();
        refused.complete(&demand, Err(NoDataKey("no".to_owned())));
        assert_eq!(statuses(&refused), [1, 2, 3]);
        assert_eq!(refused.response.processed_client_actions[1].error, "no");
        assert_eq!(refused.response.errors, Some(vec!["no".to_owned()]));
    }

    #[test]
    fn a_client_that_says_nothing_of_the_key_is_refused() {
        let answer = Answer::to(br#"{"RequestedClientActions":null}"#, "1").unwrap();
        let error = kms_result(&answer.response).err().unwrap();
        assert!(error.to_string().contains("KMSEncryption was not answered"), "{error}");
    }

    #[test]
    fn a_refusing_client_is_told() {
        let response = json!({"ClientVersion": "1.2.0.0", "ProcessedClientActions": [
            {"ActionType": "SessionType", "ActionStatus": 2, "Error": "no"}], "Errors": ["no"]});
        let error = check_response(response.to_string().as_bytes()).unwrap_err();
        assert!(error.to_string().contains("SessionType has status 2 no"), "{error}");
    }
}

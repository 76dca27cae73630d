//! The SSM API, and KMS's behind the same address, as AWS's programs speak them: JSON 1.1, one operation a request.
//!
//! `X-Amz-Target: AmazonSSM.StartSession` names the operation, the body is its request. A success
//! is status 200 and the operation's response; a refusal is status 400 and
//! `{"__type": code, "message": text}`. This file turns one into the other and touches no socket.
//! Members that it does not know are ignored, and signatures are not looked at: the endpoint has no
//! users to tell apart.

use std::time::{SystemTime, UNIX_EPOCH};

use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thiserror::Error;

use super::describe::{ACCESS_TYPE, DescribeNodes, DescribeSessions, Page};
use super::document::Parameters;
use super::error::ServiceError;
use super::kms::{KmsError, api as kms_api};
use super::node::{Node, PING_STATUS, PLATFORM_TYPE};
use super::service::{OWNER, Service, StartSession, Ticket};
use super::session::Session;

/// What goes back to the caller. It may hold a token, hence no `Debug`.
pub struct Reply {
    /// 200 or 400.
    pub status: StatusCode,
    /// The operation's response, or the error.
    pub body: Value,
    /// The error's AWS code, for the log.
    pub refused: Option<&'static str>,
}

/// Answers one request.
///
/// `target` is the value of `X-Amz-Target`; `stream_base` is where the caller reaches this endpoint
/// for WebSockets, for example `ws://127.0.0.1:8080`.
pub fn answer(
    target: Option<&str>,
    body: &[u8],
    service: &mut Service,
    stream_base: &str,
    now: SystemTime,
) -> Reply {
    match perform(target, body, service, stream_base, now) {
        Ok(body) => Reply { status: StatusCode::OK, body, refused: None },
        Err(error) => Reply {
            status: StatusCode::BAD_REQUEST,
            body: json!({ "__type": error.code(), "message": error.to_string() }),
            refused: Some(error.code()),
        },
    }
}

fn perform(
    target: Option<&str>,
    body: &[u8],
    service: &mut Service,
    stream_base: &str,
    now: SystemTime,
) -> Result<Value, ApiError> {
    let operation = target.and_then(|target| target.strip_prefix(TARGET_PREFIX));
    Ok(match operation {
        Some("StartSession") => {
            let ticket = service.start_session(read::<StartSessionBody>(body)?.request()?, now)?;
            show_ticket(&ticket, stream_base)
        }
        Some("ResumeSession") => {
            let session_id = read::<SessionIdBody>(body)?.session_id()?;
            show_ticket(&service.resume_session(&session_id)?, stream_base)
        }
        Some("TerminateSession") => {
            let session_id = read::<SessionIdBody>(body)?.session_id()?;
            service.terminate_session(&session_id, now)?;
            json!({ "SessionId": session_id })
        }
        Some("DescribeSessions") => {
            let question = read::<DescribeSessionsBody>(body)?.question()?;
            let page = service.describe_sessions(&question, now)?;
            show_page("Sessions", &page, show_session)
        }
        Some("DescribeInstanceInformation") => {
            let question = read::<DescribeNodesBody>(body)?.question();
            let page = service.describe_nodes(&question)?;
            show_page("InstanceInformationList", &page, |node| show_node(node, now))
        }
        Some("GetConnectionStatus") => {
            let target = read::<TargetBody>(body)?.target;
            let target = target.ok_or(ServiceError::missing("target"))?;
            let connected = service.is_connected(&target)?;
            let status = if connected { "connected" } else { "notconnected" };
            json!({ "Target": target, "Status": status })
        }
        _ => {
            let answer = target.zip(service.kms()).and_then(|(target, kms)| {
                kms_api::perform(target.strip_prefix(kms_api::TARGET_PREFIX)?, body, kms)
            });
            let unknown = || ApiError::UnknownOperation {
                target: target.unwrap_or("nothing").chars().take(128).collect(),
            };
            answer.ok_or_else(unknown)??
        }
    })
}

/// Why a request was refused.
#[derive(Debug, Error)]
enum ApiError {
    #[error(transparent)]
    Service(#[from] ServiceError),

    #[error(transparent)]
    Kms(#[from] KmsError),

    #[error("the request body cannot be read: {0}")]
    Serialization(#[from] serde_json::Error),

    #[error("X-Amz-Target names {target}, which this local Session Manager endpoint does not have")]
    UnknownOperation { target: String },
}

impl ApiError {
    fn code(&self) -> &'static str {
        match self {
            Self::Service(error) => error.code(),
            Self::Kms(error) => error.code(),
            Self::Serialization(_) => "SerializationException",
            Self::UnknownOperation { .. } => "UnknownOperationException",
        }
    }
}

impl From<kms_api::ApiError> for ApiError {
    fn from(error: kms_api::ApiError) -> Self {
        match error {
            kms_api::ApiError::Kms(error) => Self::Kms(error),
            kms_api::ApiError::Serialization(error) => Self::Serialization(error),
        }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    Ok(serde_json::from_slice(body)?)
}

// Requests. Every member is optional to serde, so that one that is missing is refused by name.

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StartSessionBody {
    target: Option<String>,
    document_name: Option<String>,
    parameters: Option<Parameters>,
    reason: Option<String>,
}

impl StartSessionBody {
    fn request(self) -> Result<StartSession, ServiceError> {
        Ok(StartSession {
            target: self.target.ok_or(ServiceError::missing("target"))?,
            document: self.document_name,
            parameters: self.parameters.unwrap_or_default(),
            reason: self.reason,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SessionIdBody {
    session_id: Option<String>,
}

impl SessionIdBody {
    fn session_id(self) -> Result<String, ServiceError> {
        self.session_id.ok_or(ServiceError::missing("sessionId"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TargetBody {
    target: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeSessionsBody {
    state: Option<String>,
    filters: Option<Vec<SessionFilterBody>>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// AWS writes these two members with small letters.
#[derive(Deserialize)]
struct SessionFilterBody {
    key: String,
    value: String,
}

impl DescribeSessionsBody {
    fn question(self) -> Result<DescribeSessions, ServiceError> {
        let history = match self.state.as_deref() {
            Some("Active") => false,
            Some("History") => true,
            None => return Err(ServiceError::missing("state")),
            Some(_) => {
                return Err(ServiceError::Constraint {
                    member: "state",
                    constraint: "Member must satisfy enum value set: [Active, History]".to_owned(),
                });
            }
        };
        let filters = self.filters.unwrap_or_default();
        Ok(DescribeSessions {
            history,
            filters: filters.into_iter().map(|f| (f.key, f.value)).collect(),
            max_results: self.max_results,
            next_token: self.next_token,
        })
    }
}

/// The older filter list and the newer one differ in the names of their members alone.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeNodesBody {
    instance_information_filter_list: Option<Vec<NodeFilterBody>>,
    filters: Option<Vec<NodeFilterBody>>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct NodeFilterBody {
    #[serde(alias = "Key")]
    key: String,
    #[serde(alias = "Values", rename = "valueSet")]
    values: Vec<String>,
}

impl DescribeNodesBody {
    fn question(self) -> DescribeNodes {
        let older = self.instance_information_filter_list.unwrap_or_default();
        let newer = self.filters.unwrap_or_default();
        let filters = older.into_iter().chain(newer);
        DescribeNodes {
            filters: filters.map(|f| (f.key, f.values)).collect(),
            max_results: self.max_results,
            next_token: self.next_token,
        }
    }
}

// Responses.

fn show_ticket(ticket: &Ticket, stream_base: &str) -> Value {
    let session_id = &ticket.session_id;
    json!({
        "SessionId": session_id,
        "TokenValue": ticket.token.as_ref().map_or("", |token| token.expose()),
        "StreamUrl": format!("{stream_base}{STREAM_PATH}{session_id}?role=publish_subscribe"),
    })
}

fn show_page<T>(name: &str, page: &Page<'_, T>, show: impl Fn(&T) -> Value) -> Value {
    let items: Vec<Value> = page.items.iter().map(|item| show(item)).collect();
    let mut shown = json!({ name: items });
    if let Some(token) = &page.next_token {
        shown["NextToken"] = json!(token);
    }
    shown
}

fn show_session(session: &Session) -> Value {
    let mut shown = json!({
        "SessionId": session.id,
        "Target": session.target,
        "Status": session.state().name(),
        "StartDate": epoch_seconds(session.started),
        "DocumentName": session.document,
        "Owner": OWNER,
        "AccessType": ACCESS_TYPE,
        "OutputUrl": {},
    });
    if let Some(reason) = &session.reason {
        shown["Reason"] = json!(reason);
    }
    if let Some(ending) = &session.ending {
        shown["EndDate"] = epoch_seconds(ending.at);
        shown["Details"] = json!(ending.reason);
    }
    shown
}

fn show_node(node: &Node, now: SystemTime) -> Value {
    json!({
        "InstanceId": node.id,
        "PingStatus": PING_STATUS,
        "LastPingDateTime": epoch_seconds(now),
        "AgentVersion": node.agent_version,
        "IsLatestVersion": true,
        "PlatformType": PLATFORM_TYPE,
        "PlatformName": node.platform_name,
        "PlatformVersion": node.platform_version,
        "ResourceType": node.resource_type(),
        "IPAddress": node.ip,
        "ComputerName": node.name,
    })
}

/// Timestamps of JSON 1.1: seconds with milliseconds behind the point.
fn epoch_seconds(time: SystemTime) -> Value {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    json!((since_epoch.as_secs_f64() * 1000.0).round() / 1000.0)
}

/// The path of a session's WebSocket, without the session id that follows.
pub const STREAM_PATH: &str = "/v1/data-channel/";

const TARGET_PREFIX: &str = "AmazonSSM.";

#[cfg(test)]
mod tests;

//! The SSM API: sessions and nodes.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, Call, json::read, resource::Resource};
use crate::local::{
    describe::{ACCESS_TYPE, DescribeNodes, DescribeSessions, Page},
    document::{DEFAULT_DOCUMENT, Parameters},
    error::ServiceError,
    node::{Node, PLATFORM_TYPE},
    service::{EmbeddedService, StartSession},
    session::Session,
};
use crate::wire::Token;

/// Performs an operation; `None` when there is none of this name here.
pub fn perform(
    operation: &str,
    call: &Call<'_>,
    service: &mut EmbeddedService,
) -> Option<Result<Value, ApiError>> {
    Some(match operation {
        "StartSession" => start_session(call, service),
        "ResumeSession" => resume_session(call, service),
        "TerminateSession" => terminate_session(call, service),
        "DescribeSessions" => describe_sessions(call, service),
        "DescribeInstanceInformation" => describe_nodes(call, service),
        "GetConnectionStatus" => get_connection_status(call, service),
        _ => return None,
    })
}

fn start_session(call: &Call<'_>, service: &mut EmbeddedService) -> Result<Value, ApiError> {
    let request = read::<StartSessionBody>(call.request.body)?.request()?;
    authorize_start(&request, call, service)?;
    let admission = service.start_session_of(call.owner(), request, call.request.now)?;
    Ok(show_ticket(&admission.session_id, Some(&admission.token), call.request.stream_base))
}

/// The caller must be allowed to start sessions on the target, and with the document if it names
/// one. Without one, AWS asks for the default document only where the target is allowed on the
/// condition that it does.
fn authorize_start(
    request: &StartSession,
    call: &Call<'_>,
    service: &EmbeddedService,
) -> Result<(), ApiError> {
    let action = "ssm:StartSession";
    let target = Resource::target(&request.target, call, service);
    let unchecked = [("ssm:SessionDocumentAccessCheck", "false")];
    let document = match &request.document {
        None if call.allows(action, &target, &unchecked) => return Ok(()),
        None => DEFAULT_DOCUMENT,
        Some(document) => document,
    };
    call.authorize_with(action, &target, &[("ssm:SessionDocumentAccessCheck", "true")])?;
    call.authorize(action, &Resource::document(document, call))?;
    match Resource::has_document(document, call) {
        true => Ok(()),
        false => Err(ServiceError::UnknownDocument { document: document.to_owned() }.into()),
    }
}

fn resume_session(call: &Call<'_>, service: &mut EmbeddedService) -> Result<Value, ApiError> {
    let session_id = read::<SessionIdBody>(call.request.body)?.session_id()?;
    call.authorize("ssm:ResumeSession", &Resource::session(&session_id, call, service))?;
    let token = service.resume_session(&session_id)?.map(|admission| admission.token);
    Ok(show_ticket(&session_id, token.as_ref(), call.request.stream_base))
}

fn terminate_session(call: &Call<'_>, service: &mut EmbeddedService) -> Result<Value, ApiError> {
    let session_id = read::<SessionIdBody>(call.request.body)?.session_id()?;
    call.authorize("ssm:TerminateSession", &Resource::session(&session_id, call, service))?;
    service.terminate_session(&session_id, call.request.now)?;
    Ok(json!({ "SessionId": session_id }))
}

fn describe_sessions(call: &Call<'_>, service: &mut EmbeddedService) -> Result<Value, ApiError> {
    call.authorize("ssm:DescribeSessions", &Resource::all("ssm", call))?;
    let question = read::<DescribeSessionsBody>(call.request.body)?.question()?;
    let page = service.describe_sessions(&question, call.request.now)?;
    Ok(show_page("Sessions", &page, show_session))
}

fn describe_nodes(call: &Call<'_>, service: &EmbeddedService) -> Result<Value, ApiError> {
    call.authorize("ssm:DescribeInstanceInformation", &Resource::all("ssm", call))?;
    let question = read::<DescribeNodesBody>(call.request.body)?.question();
    let page = service.describe_nodes(&question, call.place().0)?;
    Ok(show_page("InstanceInformationList", &page, |node| show_node(node, call.request.now)))
}

fn get_connection_status(call: &Call<'_>, service: &EmbeddedService) -> Result<Value, ApiError> {
    let target = read::<TargetBody>(call.request.body)?.target;
    let target = target.ok_or(ServiceError::missing("target"))?;
    call.authorize("ssm:GetConnectionStatus", &Resource::target(&target, call, service))?;
    let connected = service.is_connected(&target)?;
    let status = if connected { "connected" } else { "notconnected" };
    Ok(json!({ "Target": target, "Status": status }))
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

pub fn show_ticket(session_id: &str, token: Option<&Token>, stream_base: &str) -> Value {
    json!({
        "SessionId": session_id,
        "TokenValue": token.map_or("", Token::expose),
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
        "Owner": session.owner.arn,
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
        "PingStatus": node.ping_status.name(),
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

/// What stands in front of an operation's name in `X-Amz-Target`.
pub const TARGET: &str = "AmazonSSM";

/// Its name in signatures.
pub const SIGNING_NAME: &str = "ssm";

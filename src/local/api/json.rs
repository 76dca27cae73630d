//! JSON 1.1: `X-Amz-Target: AmazonSSM.StartSession` names the operation, the body is its request.
//!
//! A success is status 200 and the operation's response; a refusal is status 400 and
//! `{"__type": code, "message": text}`.

use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{ApiError, Call, Protocol, Reply, Request, ecs, instance_connect, kms, ssm};
use crate::local::service::EmbeddedService;

/// Answers a request whose `X-Amz-Target` is `target`.
pub fn answer(request: &Request<'_>, target: Option<&str>, service: &mut EmbeddedService) -> Reply {
    match perform(request, target, service) {
        Err(error) => refuse(target, &error, StatusCode::BAD_REQUEST),
        Ok(body) => Reply {
            status: StatusCode::OK,
            content_type: CONTENT_TYPE,
            body: body.to_string(),
            operation: target.map(str::to_owned),
            refused: None,
        },
    }
}

/// What says that a request was refused.
pub fn refuse(target: Option<&str>, error: &ApiError, status: StatusCode) -> Reply {
    let code = error.code(Protocol::Json);
    Reply {
        status,
        content_type: CONTENT_TYPE,
        body: json!({ "__type": code, "message": error.to_string() }).to_string(),
        operation: target.map(str::to_owned),
        refused: Some(code),
    }
}

fn perform(
    request: &Request<'_>,
    target: Option<&str>,
    service: &mut EmbeddedService,
) -> Result<Value, ApiError> {
    let answer = match target.and_then(|target| target.split_once('.')) {
        Some((ssm::TARGET, operation)) => {
            let call = Call::identify(request, service, ssm::SIGNING_NAME)?;
            ssm::perform(operation, &call, service)
        }
        Some((kms::TARGET, operation)) => {
            let call = Call::identify(request, service, kms::SIGNING_NAME)?;
            let Some(kms) = service.kms() else { return Err(unknown(target)) };
            kms::authorize(operation, &call, kms)?;
            kms::perform(operation, request.body, kms)
        }
        Some((ecs::TARGET, operation)) => {
            let call = Call::identify(request, service, ecs::SIGNING_NAME)?;
            ecs::perform(operation, &call, service)
        }
        Some((instance_connect::TARGET, operation)) => {
            let call = Call::identify(request, service, instance_connect::SIGNING_NAME)?;
            instance_connect::perform(operation, &call, service)
        }
        _ => None,
    };
    answer.ok_or_else(|| unknown(target))?
}

fn unknown(target: Option<&str>) -> ApiError {
    ApiError::UnknownTarget { target: target.unwrap_or("nothing").chars().take(128).collect() }
}

/// Reads a request's body.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    Ok(serde_json::from_slice(body)?)
}

/// What AWS's programs look for.
pub const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

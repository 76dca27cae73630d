//! JSON 1.1: `X-Amz-Target: AmazonSSM.StartSession` names the operation, the body is its request.
//!
//! A success is status 200 and the operation's response; a refusal is status 400 and
//! `{"__type": code, "message": text}`.

use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{ApiError, Protocol, Reply, Request, kms, ssm};
use crate::local::service::Service;

/// Answers a request whose `X-Amz-Target` is `target`.
pub fn answer(request: &Request<'_>, target: Option<&str>, service: &mut Service) -> Reply {
    let performed = perform(request, target, service);
    let (status, body, refused) = match performed {
        Ok(body) => (StatusCode::OK, body, None),
        Err(error) => {
            let code = error.code(Protocol::Json);
            let body = json!({ "__type": code, "message": error.to_string() });
            (StatusCode::BAD_REQUEST, body, Some(code))
        }
    };
    Reply {
        status,
        content_type: CONTENT_TYPE,
        body: body.to_string(),
        operation: target.map(str::to_owned),
        refused,
    }
}

fn perform(
    request: &Request<'_>,
    target: Option<&str>,
    service: &mut Service,
) -> Result<Value, ApiError> {
    let answer = match target.and_then(|target| target.split_once('.')) {
        Some((ssm::TARGET, operation)) => ssm::perform(operation, request, service),
        Some((kms::TARGET, operation)) => {
            service.kms().and_then(|kms| kms::perform(operation, request.body, kms))
        }
        _ => None,
    };
    let unknown = || ApiError::UnknownTarget {
        target: target.unwrap_or("nothing").chars().take(128).collect(),
    };
    answer.ok_or_else(unknown)?
}

/// Reads a request's body.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    Ok(serde_json::from_slice(body)?)
}

/// What AWS's programs look for.
pub const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

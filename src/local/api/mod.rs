//! The APIs of AWS that the endpoint answers to, all behind the one path `/`.
//!
//! ```text
//!   X-Amz-Target: AmazonSSM.StartSession     JSON 1.1     ssm.rs, kms.rs, ecs.rs, instance_connect.rs
//!   Action=GetCallerIdentity&Version=...     query, XML   sts.rs, iam.rs, ec2.rs
//! ```
//!
//! A request names its operation in a header or in a form, and is answered in the same manner. This
//! folder turns requests into calls of the services, and what those say into bodies; it touches no
//! socket. Where there is an account, a request is looked at only once its signature is checked
//! (identity.rs), and then does what the caller's policies allow (authorization.rs, resource.rs).
//! Members that an operation does not know are ignored, but for those that would change what it means.

mod authorization;
mod ec2;
mod ecs;
mod error;
mod iam;
mod identity;
mod instance_connect;
mod json;
mod kms;
mod query;
mod resource;
mod ssm;
mod sts;

use std::{net::IpAddr, time::SystemTime};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header::CONTENT_TYPE};

use super::{
    REGION, account::Caller, service::EmbeddedService, session::Owner, signature::SignatureError,
};
use error::ApiError;
use identity::Identity;
use query::Form;
pub use ssm::STREAM_PATH;

/// One request, as HTTP brought it.
pub struct Request<'a> {
    /// POST, or GET with a query that names an action.
    pub method: &'a Method,
    /// What was asked for, query and all.
    pub uri: &'a Uri,
    /// All that came with it.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
    /// What it is known by; the caller gets it with the answer.
    pub id: &'a str,
    /// Where the caller reaches this endpoint for WebSockets, for example `ws://127.0.0.1:8080`.
    pub stream_base: &'a str,
    /// Whom it came from.
    pub peer: IpAddr,
    /// When it came.
    pub now: SystemTime,
}

/// What goes back to the caller. It may hold a token, hence no `Debug`.
pub struct Reply {
    /// 200, or that of the error.
    pub status: StatusCode,
    /// Of the body.
    pub content_type: &'static str,
    /// The operation's response, or the error.
    pub body: String,
    /// The operation as the caller named it, for the log.
    pub operation: Option<String>,
    /// The error's AWS code, for the log.
    pub refused: Option<&'static str>,
}

/// Answers one request.
pub fn answer(request: &Request<'_>, service: &mut EmbeddedService) -> Reply {
    service.settle(request.now);
    let target = request.headers.get(TARGET).and_then(|target| target.to_str().ok());
    match (target, request.form()) {
        (None, Some(form)) => query::answer(request, &form, service),
        _ => json::answer(request, target, service),
    }
}

/// Whether `uri` itself is a request: one of the query protocol needs no body.
pub fn is_request(uri: &Uri) -> bool {
    Form::read(uri.query().unwrap_or_default().as_bytes()).action().is_some()
}

/// Answers a WebSocket's upgrade that must not be, because it is signed and wrongly so. One that
/// is not signed is taken, as the real service takes those of old clients: what counts is the
/// token that follows.
pub fn refuse_upgrade(request: &Request<'_>, service: &EmbeddedService) -> Option<Reply> {
    let account = service.account()?;
    match Identity::check(request, account, "ssmmessages") {
        Ok(_) | Err(SignatureError::Missing) => None,
        Err(error) => Some(json::refuse(None, &error.into(), StatusCode::FORBIDDEN)),
    }
}

/// A request, and who sent it.
struct Call<'a> {
    request: &'a Request<'a>,
    /// None where nobody is told apart.
    identity: Option<Identity>,
}

impl<'a> Call<'a> {
    /// Finds out who sent a request to the service that is called so in signatures.
    fn identify(
        request: &'a Request<'a>,
        service: &EmbeddedService,
        signing_name: &'static str,
    ) -> Result<Self, SignatureError> {
        let account = service.account();
        let identity = account.map(|account| Identity::check(request, account, signing_name));
        Ok(Self { request, identity: identity.transpose()? })
    }

    fn caller(&self) -> Option<&Caller> {
        self.identity.as_ref().map(|identity| &identity.caller)
    }

    /// The region that it is for, and the account.
    fn place(&self) -> (&str, &str) {
        match &self.identity {
            Some(identity) => (&identity.region, &identity.caller.account),
            None => (REGION, "000000000000"),
        }
    }

    /// To whom a session belongs that it starts.
    fn owner(&self) -> Owner {
        self.caller().map(Caller::owner).unwrap_or_default()
    }
}

impl Request<'_> {
    /// The form of the query protocol, in the body or, with GET, behind the path.
    fn form(&self) -> Option<Form> {
        let is_form = |value: &HeaderValue| {
            value.to_str().is_ok_and(|text| text.starts_with("application/x-www-form-urlencoded"))
        };
        if *self.method == Method::GET {
            return Some(Form::read(self.uri.query().unwrap_or_default().as_bytes()));
        }
        let is_form = self.headers.get(CONTENT_TYPE).is_some_and(is_form);
        is_form.then(|| Form::read(self.body))
    }
}

/// The two manners of asking and answering, and EC2's own variety of the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `X-Amz-Target`, and JSON both ways.
    Json,
    /// A form with an `Action`, and XML back.
    Query,
    /// As [`Query`](Self::Query), with another form of errors.
    Ec2,
}

const TARGET: &str = "x-amz-target";

#[cfg(test)]
mod account_tests;
#[cfg(test)]
mod tests;
